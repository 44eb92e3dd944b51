#include "entropy/block_run.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "entropy/block.h"
#include "entropy/block_flat.h"
#include "entropy/block_format.h"

namespace laconic::entropy {
namespace {

constexpr uint8_t kLongGap = 255;  // 255 dominant symbols and no other one yet

}  // namespace

size_t encode_run(const uint8_t *symbols, size_t n, const ByteCounts &counts, uint8_t dominant, size_t most, uint8_t *out) {
    std::vector<uint8_t> gaps, others;
    others.reserve(n - counts[dominant]);
    gaps.reserve(n - counts[dominant] + n / kLongGap);
    size_t gap = 0;
    for (size_t i = 0; i < n; ++i) {
        if (symbols[i] == dominant) {
            ++gap;
            continue;
        }
        for (; gap >= kLongGap; gap -= kLongGap) gaps.push_back(kLongGap);
        gaps.push_back(static_cast<uint8_t>(gap));
        others.push_back(symbols[i]);
        gap = 0;
    }
    std::vector<uint8_t> parts(block_bound(gaps.size()) + block_bound(others.size()));
    ByteCounts part_counts;
    count_bytes(gaps.data(), gaps.size(), part_counts);
    const size_t gaps_size = encode_flat(gaps.data(), gaps.size(), part_counts, parts.data(), {});
    count_bytes(others.data(), others.size(), part_counts);
    const size_t others_size = encode_flat(others.data(), others.size(), part_counts, parts.data() + gaps_size, {});
    std::array<uint8_t, 16> header{first_byte(Form::run, 0), dominant};
    uint8_t *header_end = write_varint(write_varint(header.data() + 2, gaps.size()), gaps_size);
    const size_t header_size = static_cast<size_t>(header_end - header.data());
    const size_t size = header_size + gaps_size + others_size;
    if (size >= most) return 0;
    std::memcpy(out, header.data(), header_size);
    std::memcpy(out + header_size, parts.data(), gaps_size + others_size);
    return size;
}

void decode_run(const uint8_t *data, size_t size, uint8_t *symbols, size_t n) {
    const uint8_t *const end = data + size;
    if (data == end) throw CorruptData("entropy block: header is cut off");
    const uint8_t dominant = *data++;
    const size_t gap_count = read_varint(data, end);
    const size_t gaps_size = read_varint(data, end);
    if (gap_count > n || gaps_size > static_cast<size_t>(end - data)) throw CorruptData("entropy block: runs pass the block");
    std::vector<uint8_t> gaps(gap_count);
    decode_flat(data, gaps_size, gaps.data(), gap_count);
    data += gaps_size;
    std::vector<uint8_t> others(
        static_cast<size_t>(std::count_if(gaps.begin(), gaps.end(), [](uint8_t g) { return g != kLongGap; })));
    decode_flat(data, static_cast<size_t>(end - data), others.data(), others.size());
    if (n != 0) std::memset(symbols, dominant, n);
    size_t position = 0, k = 0;
    for (const uint8_t gap : gaps) {
        position += gap;
        if (gap == kLongGap) continue;
        if (position >= n) throw CorruptData("entropy block: runs pass the block");
        symbols[position++] = others[k++];
    }
}

}  // namespace laconic::entropy
