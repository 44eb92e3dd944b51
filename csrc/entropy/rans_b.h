// Profile B: rANS with 32-bit states in [2^15, 2^31), 16-bit words, tables of 10 to 14 bits, order 0 (J. Duda, arXiv 1311.2540;
// interleaved lanes after F. Giesen, arXiv 1402.3392).
//
// Symbol i belongs to lane i mod K. All lanes share one stream of little-endian 16-bit words: a decoder visits the lanes in
// ascending order and each takes a word as soon as its state falls below 2^15. K = 32 for blocks of any length (a CUDA warp, two
// AVX-512 vectors), K = 4 for short ones, where 32 states would cost more than the symbols.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace laconic::entropy::rans_b {

constexpr unsigned kLanes = 32;
constexpr unsigned kFewLanes = 4;
constexpr uint32_t kStart = 1u << 15;      // every lane's state before the first symbol is coded and after the last is decoded
constexpr unsigned kStateBits = 31;        // states stay below 2^31
constexpr size_t kRowBytes = 2 * kLanes;   // a row takes no more from the stream
constexpr unsigned kPackedPrecision = 12;  // up to here a decoding slot fits 32 bits

// What coding one symbol needs: x -> x + start + floor(x / freq) * (2^precision - freq), with the division as a multiplication:
// floor(x / freq) = (2x * reciprocal >> 32) >> shift for all x < 2^31 (R. Alverson, "Integer division using reciprocals", 1991).
struct EncodeSymbol {
    uint32_t reciprocal;  // ceil(2^(31 + shift) / freq)
    uint32_t packed;      // freq - 1 (14 bits), start (14 bits), shift = ceil(log2 freq) (4 bits)

    uint32_t freq() const { return (packed & 0x3fff) + 1; }
    uint32_t start() const { return (packed >> 14) & 0x3fff; }
    uint32_t shift() const { return packed >> 28; }
};

// Entries of symbols without a frequency stay zero; coding such a symbol is the caller's mistake.
void build_encode_table(std::span<const uint16_t> freqs, EncodeSymbol *table);

// One slot of a decoding table: x -> freq * (x >> precision) + bias, bias = slot - start.
struct DecodeTable {
    unsigned precision;
    std::vector<uint32_t> slots;   // packed: (freq - 1) << 20 | bias << 8 | symbol; else (freq - 1) << 14 | bias
    std::vector<uint8_t> symbols;  // unless packed: the slot's symbol, with 3 bytes behind the last so that 4 can be read

    bool packed() const { return precision <= kPackedPrecision; }
    void build(std::span<const uint16_t> freqs, unsigned table_precision);
};

// Codes symbols[0, n) with K lanes into the end of [begin, end); states (K of them) receive the final states. Returns where the
// stream begins, or nullptr if it did not fit.
uint8_t *encode(const uint8_t *symbols, size_t n, unsigned lanes, const EncodeSymbol *table, unsigned precision, uint32_t *states,
                uint8_t *begin, uint8_t *end);

// A block about to be decoded: its table, states and stream, and where its n symbols go.
struct DecodeJob {
    DecodeTable table;
    unsigned lanes;
    std::array<uint32_t, kLanes> states;
    const uint8_t *stream, *end;
    uint8_t *symbols;
    size_t n;
};

// Decode jobs whose streams must be used up exactly; CorruptData otherwise. A pair in step is faster than one after the other.
void decode(DecodeJob &job);
void decode_pair(DecodeJob &first, DecodeJob &second);

// Whole rows of symbols on their way through a kernel.
struct DecodeRows {
    const DecodeTable *table;
    uint32_t *states;
    const uint8_t *stream;
    const uint8_t *limit;  // a row may begin while stream <= limit: no more than kRowBytes from there are read
    uint8_t *symbols;
    size_t rows;

    void advance(size_t done, unsigned lanes, const uint8_t *stream_now) {
        stream = stream_now;
        symbols += done * lanes;
        rows -= done;
    }
};

// The loops over rows of 32 lanes, one set for each instruction set.
struct Kernels {
    // From the last row to the first; returns the stream's new begin, or nullptr where less than kRowBytes were left for a row.
    uint8_t *(*encode_rows)(const uint8_t *symbols, size_t rows, const EncodeSymbol *table, unsigned precision, uint32_t *states,
                            uint8_t *begin, uint8_t *stream);
    // Until no rows are left or the stream passes its limit.
    void (*decode_rows)(DecodeRows &block);
    // Two blocks in step, until that holds for one of them.
    void (*decode_rows_pair)(DecodeRows &first, DecodeRows &second);
};

extern const Kernels scalar_kernels;
#if defined(LACONIC_X86)
extern const Kernels avx2_kernels, avx512_kernels;
#endif

}  // namespace laconic::entropy::rans_b
