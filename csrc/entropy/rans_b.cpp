#include "entropy/rans_b.h"

#include <bit>

#include "entropy/cpu.h"
#include "entropy/error.h"
#include "entropy/padded_stream.h"

namespace laconic::entropy::rans_b {
namespace {

// One symbol onto a lane's state; a word leaves first when the state would grow past 2^31.
inline void encode_one(uint32_t &x, const EncodeSymbol &symbol, unsigned precision, uint8_t *&stream) {
    const uint32_t freq = symbol.freq();
    if (x >= freq << (kStateBits - precision)) {
        *--stream = static_cast<uint8_t>(x >> 8);
        *--stream = static_cast<uint8_t>(x);
        x >>= 16;
    }
    const uint32_t quotient = static_cast<uint32_t>((static_cast<uint64_t>(2 * x) * symbol.reciprocal) >> 32) >> symbol.shift();
    x += symbol.start() + quotient * ((1u << precision) - freq);
}

inline uint8_t decode_one(uint32_t &x, const DecodeTable &table, const uint8_t *&stream) {
    const uint32_t slot = x & ((1u << table.precision) - 1);
    const uint32_t entry = table.slots[slot];
    const uint32_t high = x >> table.precision;
    uint8_t symbol;
    if (table.precision <= kPackedPrecision) {
        x = ((entry >> 20) + 1) * high + ((entry >> 8) & 0xfff);
        symbol = static_cast<uint8_t>(entry);
    } else {
        x = ((entry >> 14) + 1) * high + (entry & 0x3fff);
        symbol = table.symbols[slot];
    }
    if (x < kStart) {
        x = x << 16 | stream[0] | static_cast<uint32_t>(stream[1]) << 8;
        stream += 2;
    }
    return symbol;
}

template <unsigned K>
uint8_t *encode_rows_scalar(const uint8_t *symbols, size_t rows, const EncodeSymbol *table, unsigned precision, uint32_t *states,
                            uint8_t *begin, uint8_t *stream) {
    for (size_t row = rows; row-- > 0;) {
        if (stream - begin < static_cast<ptrdiff_t>(2 * K)) return nullptr;
        for (unsigned lane = K; lane-- > 0;) encode_one(states[lane], table[symbols[row * K + lane]], precision, stream);
    }
    return stream;
}

template <unsigned K>
size_t decode_rows_scalar(const DecodeTable &table, uint32_t *states, const uint8_t *&stream, const uint8_t *limit,
                          uint8_t *symbols, size_t rows) {
    size_t row = 0;
    for (; row < rows && stream <= limit; ++row)
        for (unsigned lane = 0; lane < K; ++lane) symbols[row * K + lane] = decode_one(states[lane], table, stream);
    return row;
}

}  // namespace

namespace scalar {

uint8_t *encode_rows(const uint8_t *symbols, size_t rows, const EncodeSymbol *table, unsigned precision, uint32_t *states,
                     uint8_t *begin, uint8_t *stream) {
    return encode_rows_scalar<kLanes>(symbols, rows, table, precision, states, begin, stream);
}

size_t decode_rows(const DecodeTable &table, uint32_t *states, const uint8_t *&stream, const uint8_t *limit, uint8_t *symbols,
                   size_t rows) {
    return decode_rows_scalar<kLanes>(table, states, stream, limit, symbols, rows);
}

}  // namespace scalar

void build_encode_table(std::span<const uint16_t> freqs, EncodeSymbol *table) {
    uint32_t start = 0;
    for (size_t s = 0; s < freqs.size(); ++s) {
        const uint32_t freq = freqs[s];
        table[s] = {};
        if (freq == 0) continue;
        const unsigned shift = std::bit_width(freq - 1);
        table[s].reciprocal = static_cast<uint32_t>(((uint64_t{1} << (31 + shift)) + freq - 1) / freq);
        table[s].packed = (freq - 1) | start << 14 | shift << 28;
        start += freq;
    }
}

void DecodeTable::build(std::span<const uint16_t> freqs, unsigned table_precision) {
    precision = table_precision;
    slots.resize(size_t{1} << precision);
    const bool packed = precision <= kPackedPrecision;
    symbols.resize(packed ? 0 : slots.size());
    uint32_t start = 0;
    for (size_t s = 0; s < freqs.size(); ++s) {
        const uint32_t freq = freqs[s];
        if (freq == 0) continue;
        const uint32_t first = packed ? (freq - 1) << 20 | static_cast<uint32_t>(s) : (freq - 1) << 14;
        const uint32_t step = packed ? 1u << 8 : 1;
        for (uint32_t k = 0; k < freq; ++k) slots[start + k] = first + k * step;
        if (!packed)
            for (uint32_t k = 0; k < freq; ++k) symbols[start + k] = static_cast<uint8_t>(s);
        start += freq;
    }
}

uint8_t *encode(const uint8_t *symbols, size_t n, unsigned lanes, const EncodeSymbol *table, unsigned precision, uint32_t *states,
                uint8_t *begin, uint8_t *end) {
    for (unsigned lane = 0; lane < lanes; ++lane) states[lane] = kStart;
    const size_t rows = n / lanes;
    uint8_t *stream = end;
    if (stream - begin < static_cast<ptrdiff_t>(2 * lanes)) return nullptr;
    for (size_t i = n; i-- > rows * lanes;) encode_one(states[i % lanes], table[symbols[i]], precision, stream);
    if (lanes == kFewLanes) return encode_rows_scalar<kFewLanes>(symbols, rows, table, precision, states, begin, stream);
    return scalar::encode_rows(symbols, rows, table, precision, states, begin, stream);
}

void decode(const uint8_t *stream, size_t size, unsigned lanes, const DecodeTable &table, uint32_t *states, uint8_t *symbols,
            size_t n) {
    const size_t row_count = n / lanes;
    const auto rows = [&](const uint8_t *&pointer, const uint8_t *limit, size_t first) {
        uint8_t *out = symbols + first * lanes;
        const size_t left = row_count - first;
        if (lanes == kFewLanes) return first + decode_rows_scalar<kFewLanes>(table, states, pointer, limit, out, left);
        return first + scalar::decode_rows(table, states, pointer, limit, out, left);
    };
    const auto tail = [&](const uint8_t *&pointer) {
        for (size_t i = row_count * lanes; i < n; ++i) symbols[i] = decode_one(states[i % lanes], table, pointer);
    };
    decode_stream<kRowBytes>(stream, size, row_count, rows, tail);
    for (unsigned lane = 0; lane < lanes; ++lane)
        if (states[lane] != kStart) throw CorruptData("entropy block: a lane does not end where it began");
}

}  // namespace laconic::entropy::rans_b
