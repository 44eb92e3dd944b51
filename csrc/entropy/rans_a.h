// Profile A: rANS with 16-bit states in [2^8, 2^16), 8-bit renormalisation, tables of 256 slots and 256 lanes: small enough that
// AVX-512 VBMI holds the whole table in registers. For alphabets that fit 255 slots and entropies above ~1.5 bit per symbol; rare
// symbols have no slot and are listed as escapes by the block (block.h).
//
// Symbol i belongs to lane i mod 256. All lanes share one stream of bytes: a decoder visits the lanes in ascending order and each
// takes a byte as soon as its state falls below 2^8.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "entropy/lane.h"

namespace laconic::entropy::rans_a {

constexpr unsigned kLanes = 256;
constexpr size_t kRowBytes = kLanes;  // a row takes no more from the stream

// By symbol: x -> x + start + floor(x / freq) * (256 - freq).
struct EncodeTable {
    alignas(64) std::array<uint8_t, 256> freq;
    alignas(64) std::array<uint8_t, 256> start;
    alignas(64) std::array<uint16_t, 256> reciprocal;  // min(floor(2^16 / freq), 2^16 - 1): the quotient is this or one more
    bool near;                                         // all symbols that will be coded lie in [first, first + 64)
    uint8_t first;
};

// freqs: 256 entries below 256 with sum 256. Symbols without a slot are coded as `stand_in`, which has one. The symbols that will
// be coded lie in [least, most].
void build_encode_table(std::span<const uint16_t> freqs, uint8_t stand_in, uint8_t least, uint8_t most, EncodeTable &table);

// By slot: x -> freq * (x >> 8) + bias, bias = slot - start.
struct DecodeTable {
    alignas(64) std::array<uint8_t, 256> symbol;
    alignas(64) std::array<uint8_t, 256> freq;
    alignas(64) std::array<uint8_t, 256> bias;
};

void build_decode_table(std::span<const uint16_t> freqs, DecodeTable &table);

// Symbols that share a table. All segments of a stream but the last hold whole rows.
struct EncodeSegment {
    const EncodeTable *table;
    const uint8_t *symbols;
    size_t n;
};

struct DecodeSegment {
    const DecodeTable *table;
    size_t n;
};

// Codes the segments into the end of [begin, end); `states` (256) receives the final states. Returns where the stream begins, or
// nullptr if it did not fit.
uint8_t *encode(std::span<const EncodeSegment> segments, uint16_t *states, uint8_t *begin, uint8_t *end);

// Decodes the segments' symbols from the states and a stream that must be used up exactly; CorruptData otherwise.
void decode(const uint8_t *stream, size_t size, std::span<const DecodeSegment> segments, uint16_t *states, uint8_t *symbols);

// Whole rows of symbols on their way through a kernel.
struct DecodeRows {
    const DecodeTable *table;
    uint16_t *states;
    const uint8_t *stream;
    const uint8_t *limit;  // a row may begin while stream <= limit: no more than kRowBytes from there are read
    uint8_t *symbols;
    size_t rows;

    void advance(size_t done, const uint8_t *stream_now) {
        stream = stream_now;
        symbols += done * kLanes;
        rows -= done;
    }
};

// The loops over rows, one set for each instruction set; as in rans_b.h.
struct Kernels {
    uint8_t *(*encode_rows)(const uint8_t *symbols, size_t rows, const EncodeTable &table, uint16_t *states, uint8_t *begin,
                            uint8_t *stream);
    void (*decode_rows)(DecodeRows &block);
};

extern const Kernels scalar_kernels;
#if defined(LACONIC_X86)
extern const Kernels avx2_kernels, avx512_kernels;
#endif

}  // namespace laconic::entropy::rans_a
