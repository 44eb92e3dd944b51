// Profile B: rANS with 32-bit states in [2^15, 2^31), 16-bit words and tables of 10 to 14 bits (J. Duda, arXiv 1311.2540;
// interleaved lanes after F. Giesen, arXiv 1402.3392). One table for all symbols, or one of several for each symbol, chosen by
// its context.
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

#include "entropy/bit_io.h"
#include "entropy/lane.h"

namespace laconic::entropy::rans_b {

constexpr unsigned kLanes = 32;
constexpr unsigned kFewLanes = 4;
constexpr size_t kRowBytes = 2 * kLanes;  // a row takes no more from the stream
constexpr unsigned kMinPrecision = 10;
constexpr unsigned kMaxPrecision = 14;
constexpr unsigned kPackedPrecision = 12;  // up to here, and with symbols of a byte, a decoding slot fits 32 bits

void build_encode_table(std::span<const uint16_t> freqs, EncodeSymbol *table);

// Tables of equal precision and alphabet, one after the other. A slot: x -> freq * (x >> precision) + bias, bias = slot - start.
class DecodeTables {
public:
    // freqs: tables of `alphabet` frequencies, each with the sum 2^precision; symbol_bytes: 1 or 2. Reuses its memory.
    void build(std::span<const uint16_t> freqs, size_t alphabet, unsigned precision, size_t symbol_bytes);

    unsigned precision() const { return precision_; }
    bool packed() const { return packed_; }
    const uint32_t *slots() const {
        return slots_.data();
    }  // packed: (freq - 1) << 20 | bias << 8 | symbol; else (freq - 1) << 14 | bias
    const uint16_t *symbols() const {
        return symbols_.data();
    }  // unless packed: the slot's symbol, and one more so that 4 bytes can be read

private:
    unsigned precision_ = 0;
    bool packed_ = true;
    std::vector<uint32_t> slots_;
    std::vector<uint16_t> symbols_;
};

// Symbols to code into the end of [begin, end), with 32 or 4 lanes.
template <typename Symbol>  // uint8_t or uint16_t
struct EncodeJob {
    const EncodeSymbol *table;  // contexts: one after the other
    size_t alphabet;            // entries of a table
    unsigned precision;
    unsigned lanes;
    const Symbol *symbols;
    const uint16_t *contexts;  // nullptr: the first table for all; else the table of each symbol
    size_t n;
    uint8_t *begin, *end;
    std::array<uint32_t, kLanes> states;  // result: the final states
    unsigned tables = 0;                  // with contexts: how many there are, if that is known
};

// Where the stream begins, or nullptr if it did not fit. std::invalid_argument for a symbol that has no frequency.
template <typename Symbol>
uint8_t *encode(EncodeJob<Symbol> &job);

// The same for two jobs with the same tables, which is faster than one after the other. Their memory does not overlap.
std::array<uint8_t *, 2> encode_pair(EncodeJob<uint8_t> &first, EncodeJob<uint8_t> &second);

// A stream to decode, which must be used up exactly.
template <typename Symbol>
struct DecodeJob {
    const DecodeTables *tables;
    unsigned lanes;
    Symbol *symbols;
    const uint16_t *contexts;  // as in EncodeJob
    const uint8_t *table_of;   // unless nullptr, the context is the lane's symbol before: symbols[i] has the table
                               // table_of[symbols[i - lanes]] of 256, and `lanes` symbols may be read before the first. Bytes
                               // only.
    size_t n;
    const uint8_t *stream, *end;
    std::array<uint32_t, kLanes> states;
};

// CorruptData when the stream's length or a final state is wrong. A pair in step is faster than one after the other.
template <typename Symbol>
void decode(DecodeJob<Symbol> &job);
template <typename Symbol>
void decode_pair(DecodeJob<Symbol> &first, DecodeJob<Symbol> &second);

// Bytes in segments with a table each, 32 lanes. All segments but the last hold whole rows.
struct EncodeSegment {
    const EncodeSymbol *table;
    const uint8_t *symbols;
    size_t n;
};

// Where the stream begins, or nullptr if it did not fit between begin and end.
uint8_t *encode_segments(std::span<const EncodeSegment> segments, unsigned precision, uint8_t *begin, uint8_t *end,
                         std::array<uint32_t, kLanes> &states);

struct DecodeSegments {
    std::vector<size_t> lengths;
    std::vector<uint16_t> freqs;  // 256 for each segment
    unsigned precision;
    uint8_t *symbols;
    const uint8_t *stream, *end;
    std::array<uint32_t, kLanes> states;
};

// Two streams in step, each as `decode` does.
void decode_segments_pair(DecodeSegments &first, DecodeSegments &second);

// The lanes' states in a header: 4 bits of length, then the bits below the leading one.
void write_states(BitWriter &bits, std::span<const uint32_t> states);
void read_states(BitReader &bits, std::span<uint32_t> states);

// Whole rows of symbols on their way through a kernel.
template <typename Symbol>
struct EncodeRows {
    const EncodeSymbol *table;
    uint32_t alphabet;
    unsigned precision;
    const Symbol *symbols;
    const uint16_t *contexts;
    size_t rows;
    uint8_t *begin, *stream;
    uint32_t *states;
    unsigned tables = 0;         // if it is known
    uint32_t reciprocals = ~0u;  // AND over all symbols' reciprocals: the top bit falls with a symbol that has no frequency
};

template <typename Symbol>
struct DecodeRows {
    const DecodeTables *tables;
    Symbol *symbols;
    const uint16_t *contexts;
    const uint8_t *table_of;
    size_t rows;
    const uint8_t *stream;
    const uint8_t *limit;  // a row may begin while stream <= limit: no more than kRowBytes from there are read
    uint32_t *states;

    void advance(size_t done, unsigned lanes, const uint8_t *stream_now) {
        stream = stream_now;
        symbols += done * lanes;
        if (contexts != nullptr) contexts += done * lanes;
        rows -= done;
    }
};

// With the active instruction set's kernel, 32 lanes.
void decode_rows(DecodeRows<uint8_t> &rows);

// How a kernel finds a symbol's table.
enum class Context { none, given, previous };

// The loops over rows of 32 lanes, one set for each instruction set.
template <typename Symbol>
struct Kernels {
    // From the last row to the first; false where less than kRowBytes were left for a row.
    bool (*encode_rows)(EncodeRows<Symbol> &job);
    // Until no rows are left or the stream passes its limit.
    void (*decode_rows)(DecodeRows<Symbol> &job);
    // Two blocks in step, until that holds for one of them; both have contexts of the same kind, and the same table_of.
    void (*decode_rows_pair)(DecodeRows<Symbol> &first, DecodeRows<Symbol> &second);
    // encode_rows for two jobs in step, of bytes; nullptr where that gains nothing.
    bool (*encode_rows_pair)(EncodeRows<Symbol> &first, EncodeRows<Symbol> &second);
};

#if defined(LACONIC_X86)
namespace avx2 {
extern const Kernels<uint8_t> kernels8;
extern const Kernels<uint16_t> kernels16;
}  // namespace avx2
namespace avx512 {
extern const Kernels<uint8_t> kernels8;
extern const Kernels<uint16_t> kernels16;
}  // namespace avx512
#endif

}  // namespace laconic::entropy::rans_b
