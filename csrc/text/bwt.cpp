#include "text/bwt.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "entropy/error.h"
#include "text/huge_array.h"
#include "text/suffix_sort.h"

namespace laconic::text {

size_t bwt_stride(size_t size) { return std::max<size_t>(4096, std::bit_ceil((size + kMaxBwtRows - 1) / kMaxBwtRows)); }

size_t bwt_rows(size_t size) { return size == 0 ? 0 : (size - 1) / bwt_stride(size) + 1; }

std::vector<uint32_t> forward_bwt(std::span<const uint8_t> bytes, uint8_t *out) {
    const size_t size = bytes.size();
    std::vector<uint32_t> rows(bwt_rows(size));
    if (size == 0) return rows;
    HugeArray<int32_t> work(size);
    transform_by_sorting(bytes, work.span(), bwt_stride(size), out, rows.data());
    return rows;
}

void inverse_bwt(std::span<const uint8_t> transform, std::span<const uint32_t> rows, uint8_t *out) {
    const size_t size = transform.size();
    if (size > kMaxBwtBytes || rows.size() != bwt_rows(size)) throw CorruptData("a block of the wrong size for its transform");
    for (const uint32_t row : rows)
        if (row >= size) throw CorruptData("a row beyond the transform");
    if (size == 0) return;
    std::array<uint32_t, 256> start{};
    for (const uint8_t c : transform) ++start[c];
    uint32_t sum = 0;
    for (uint32_t &s : start) sum += std::exchange(s, sum);
    // next[k] = first byte of the k-th suffix, and above it the number of the suffix that is one byte shorter (the empty one,
    // number -1, becomes 0 and is never used).
    HugeArray<uint32_t> next(size);
    for (size_t i = 0; i < size; ++i) {
        const uint8_t c = transform[i];
        // Rows of the last column up to that of the mark are one above their place in `transform`; suffix numbers are rows - 1.
        const auto suffix = static_cast<uint32_t>(i > rows[0] ? i : i == 0 ? 0 : i - 1);
        next[start[c]++] = suffix << 8 | c;
    }
    const size_t stride = bwt_stride(size), last = size - (rows.size() - 1) * stride;
    std::array<uint32_t, kMaxBwtRows> at{};
    std::copy(rows.begin(), rows.end(), at.begin());
    const auto step = [&](size_t chain, size_t i) {
        const uint32_t x = next[at[chain]];
        out[chain * stride + i] = static_cast<uint8_t>(x);
        at[chain] = x >> 8;
    };
    for (size_t i = 0; i < last; ++i)
        for (size_t chain = 0; chain < rows.size(); ++chain) step(chain, i);
    for (size_t i = last; i < stride && rows.size() > 1; ++i)
        for (size_t chain = 0; chain + 1 < rows.size(); ++chain) step(chain, i);
}

}  // namespace laconic::text
