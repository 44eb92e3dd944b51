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
    std::vector<uint32_t> slots;   // precision <= 12: (freq - 1) << 20 | bias << 8 | symbol; else (freq - 1) << 14 | bias
    std::vector<uint8_t> symbols;  // precision > 12: the slot's symbol

    void build(std::span<const uint16_t> freqs, unsigned table_precision);
};

// Codes symbols[0, n) with K lanes into the end of [begin, end); states (K of them) receive the final states. Returns where the
// stream begins, or nullptr if it did not fit.
uint8_t *encode(const uint8_t *symbols, size_t n, unsigned lanes, const EncodeSymbol *table, unsigned precision, uint32_t *states,
                uint8_t *begin, uint8_t *end);

// Decodes n symbols from the states and a stream that must be used up exactly; CorruptData otherwise.
void decode(const uint8_t *stream, size_t size, unsigned lanes, const DecodeTable &table, uint32_t *states, uint8_t *symbols,
            size_t n);

// Kernels that work on whole rows of 32 symbols, one for each instruction set. `encode_rows` goes from the last row to the first
// and returns the stream's new begin (nullptr: less than a row's 64 bytes were left). `decode_rows` decodes rows until `rows` are
// done or the stream pointer has passed `limit`, reads no more than a row's 64 bytes from there, and returns the rows done.
namespace scalar {
uint8_t *encode_rows(const uint8_t *symbols, size_t rows, const EncodeSymbol *table, unsigned precision, uint32_t *states,
                     uint8_t *begin, uint8_t *stream);
size_t decode_rows(const DecodeTable &table, uint32_t *states, const uint8_t *&stream, const uint8_t *limit, uint8_t *symbols,
                   size_t rows);
}  // namespace scalar

}  // namespace laconic::entropy::rans_b
