#include "kv/quantiser.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "kv/lossless.h"
#include "kv/row_kernels.h"

namespace laconic::kv {
namespace {

uint32_t zigzag(int32_t x) { return static_cast<uint32_t>(x) << 1 ^ static_cast<uint32_t>(x >> 31); }
int32_t unzigzag(uint32_t z) { return static_cast<int32_t>(z >> 1 ^ (0u - (z & 1))); }

// A row's indices from its symbols and, where these say so, from what follows the symbols.
void get_indices(const uint8_t *symbols, entropy::ByteReader &in, std::vector<int32_t> &indices) {
    uint8_t greatest = 0;
    for (size_t k = 0; k < indices.size(); ++k) {
        greatest = std::max(greatest, symbols[k]);
        indices[k] = unzigzag(symbols[k]);
    }
    if (greatest < kLarge) return;
    for (size_t k = 0; k < indices.size(); ++k) {
        if (symbols[k] < kLarge) continue;
        if (symbols[k] > kLarge) throw CorruptData("kv: an index is no index");
        const size_t more = in.get_varint();
        if (more > size_t{1} << 26) throw CorruptData("kv: an index is too large");
        indices[k] = unzigzag(kLarge + static_cast<uint32_t>(more));
    }
}

// The rows of a segment that are coded exactly, side by side.
std::vector<uint8_t> gather_exact(const uint8_t *raw, size_t rows, size_t row_bytes, ExactRows exact) {
    std::vector<uint8_t> out(raw, raw + exact.first * row_bytes);
    out.insert(out.end(), raw + (rows - exact.last) * row_bytes, raw + rows * row_bytes);
    return out;
}

void scatter_exact(const std::vector<uint8_t> &from, uint8_t *raw, size_t rows, size_t row_bytes, ExactRows exact) {
    std::copy_n(from.begin(), exact.first * row_bytes, raw);
    std::copy_n(from.begin() + static_cast<ptrdiff_t>(exact.first * row_bytes), exact.last * row_bytes,
                raw + (rows - exact.last) * row_bytes);
}

}  // namespace

Quantiser::Quantiser(QuantiserSpec spec) : spec_(std::move(spec)) {
    const size_t n = spec_.channels, block = spec_.block;
    SegmentFormat{2, n}.check();
    if (spec_.mean.size() != n || spec_.step.size() != n || spec_.table_of.size() != n || (block != 0 && n % block != 0) ||
        spec_.basis.size() != n * block)
        throw std::invalid_argument("the parts of a quantiser do not have the size of its channels");
    const auto finite = [](float x) { return std::isfinite(x); };
    if (!std::all_of(spec_.mean.begin(), spec_.mean.end(), finite) ||
        !std::all_of(spec_.basis.begin(), spec_.basis.end(), finite) ||
        !std::all_of(spec_.step.begin(), spec_.step.end(), [](float x) { return std::isfinite(x) && x > 0; }))
        throw std::invalid_argument("means and bases must be finite, steps above 0");
    spec_.rotary.check(n);
    transposed_.resize(spec_.basis.size());
    for (size_t first = 0; block != 0 && first < n; first += block)
        for (size_t k = 0; k < block; ++k)
            for (size_t j = 0; j < block; ++j) transposed_[(first + j) * block + k] = spec_.basis[(first + k) * block + j];
    tables_needed_ = size_t{*std::max_element(spec_.table_of.begin(), spec_.table_of.end())} + 1;
}

RowShape Quantiser::row_shape() const {
    return {spec_.channels, spec_.block, spec_.mean.data(), spec_.step.data(), spec_.basis.data(), transposed_.data()};
}

std::vector<uint16_t> Quantiser::contexts(size_t rows) const {
    std::vector<uint16_t> result;
    result.reserve(rows * spec_.channels);
    for (size_t row = 0; row < rows; ++row) result.insert(result.end(), spec_.table_of.begin(), spec_.table_of.end());
    return result;
}

std::vector<uint8_t> Quantiser::encode(const uint8_t *raw, size_t rows, Element element, size_t position, ExactRows exact,
                                       size_t groups, const IndexTables &tables, uint8_t *reconstructed) const {
    if (exact.first > rows || exact.last > rows - exact.first) throw std::invalid_argument("more exact rows than there are");
    const size_t n = spec_.channels, width = width_of(element), row_bytes = n * width;
    std::vector<uint8_t> out;
    out.push_back(kQuantised);
    entropy::put_varint(out, exact.first);
    entropy::put_varint(out, exact.last);
    if (exact.first + exact.last != 0) {
        const std::vector<uint8_t> kept = gather_exact(raw, rows, row_bytes, exact);
        const std::vector<uint8_t> coded = encode_lossless(kept.data(), kept.size(), {static_cast<unsigned>(width), n}, groups);
        entropy::put_sized(out, coded.data(), coded.size());
        scatter_exact(kept, reconstructed, rows, row_bytes, exact);
    }
    const size_t coarse = rows - exact.first - exact.last;
    if (coarse == 0) return out;
    const Turns &turns = Turns::of(spec_.rotary, position + exact.first, coarse);
    const RowKernels &kernels = row_kernels();
    const RowShape shape = row_shape();
    std::vector<uint8_t> symbols(coarse * n), large;
    std::vector<float> row(n), room(n);
    std::vector<int32_t> indices(n);
    for (size_t i = 0; i < coarse; ++i) {
        const size_t at = (exact.first + i) * row_bytes;
        const RowTurn turn = turns.row(spec_.rotary, i);
        kernels.load(raw + at, n, element, row.data());
        kernels.turn(turn, false, row.data(), n);
        if (!kernels.quantise(shape, row.data(), room.data(), indices.data()))
            throw std::invalid_argument("a value is not finite, or too large for the profile's steps");
        for (size_t k = 0; k < n; ++k) {
            const uint32_t code = zigzag(indices[k]);
            symbols[i * n + k] = static_cast<uint8_t>(std::min(code, kLarge));
            if (code >= kLarge) entropy::put_varint(large, code - kLarge);
        }
        kernels.reconstruct(shape, indices.data(), row.data());
        kernels.turn(turn, true, row.data(), n);
        kernels.store(row.data(), n, element, reconstructed + at);
    }
    std::vector<uint8_t> coded;
    tables.encode(symbols.data(), contexts(coarse).data(), symbols.size(), coded);
    entropy::put_sized(out, coded.data(), coded.size());
    out.insert(out.end(), large.begin(), large.end());
    return out;
}

void Quantiser::decode(const uint8_t *data, size_t size, Element element, size_t position, const IndexTables &tables,
                       uint8_t *raw, size_t rows) const {
    const size_t n = spec_.channels, width = width_of(element), row_bytes = n * width;
    entropy::ByteReader in(data, size);
    if (in.get() != kQuantised) throw CorruptData("kv: no such method");
    const ExactRows exact{in.get_varint(), in.get_varint()};
    if (exact.first > rows || exact.last > rows - exact.first) throw CorruptData("kv: more exact rows than there are");
    if (exact.first + exact.last != 0) {
        const entropy::ByteReader coded = in.get_sized();
        std::vector<uint8_t> kept((exact.first + exact.last) * row_bytes);
        decode_lossless(coded.position(), coded.remaining(), {static_cast<unsigned>(width), n}, kept.data(), kept.size());
        scatter_exact(kept, raw, rows, row_bytes, exact);
    }
    const size_t coarse = rows - exact.first - exact.last;
    if (coarse != 0) {
        const entropy::ByteReader coded = in.get_sized();
        std::vector<uint8_t> symbols(coarse * n);
        tables.decode(coded.position(), coded.remaining(), contexts(coarse).data(), symbols.data(), symbols.size());
        const Turns &turns = Turns::of(spec_.rotary, position + exact.first, coarse);
        const RowKernels &kernels = row_kernels();
        const RowShape shape = row_shape();
        std::vector<float> row(n);
        std::vector<int32_t> indices(n);
        for (size_t i = 0; i < coarse; ++i) {
            get_indices(&symbols[i * n], in, indices);
            kernels.reconstruct(shape, indices.data(), row.data());
            kernels.turn(turns.row(spec_.rotary, i), true, row.data(), n);
            kernels.store(row.data(), n, element, raw + (exact.first + i) * row_bytes);
        }
    }
    if (in.remaining() != 0) throw CorruptData("kv: bytes are left");
}

}  // namespace laconic::kv
