// Byte symbols coded with tables that are fitted to their contexts, for decoders that learn the contexts of later symbols from
// earlier ones: a stream is decoded some rows of 32 symbols at a time.
//
// Bytes: table count t (varint), the table of each context as a block with its size (varint) if t > 1, the tables as bits with 12
// bits of precision, the 32 lanes' final states as bits; the stream of profile B (rans_b.h). docs/entropy.md specifies the parts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "entropy/rans_b.h"

namespace laconic::entropy {

constexpr unsigned kSteppedPrecision = 12;

// n: a multiple of 32, below 2^32; contexts are below `count`.
std::vector<uint8_t> encode_stepped(const uint8_t *symbols, const uint8_t *contexts, size_t n, size_t count);

class SteppedDecoder {
public:
    // The bytes must outlive the decoder. CorruptData if they are no such header.
    SteppedDecoder(const uint8_t *data, size_t size, size_t count);
    SteppedDecoder(const SteppedDecoder &) = delete;
    SteppedDecoder &operator=(const SteppedDecoder &) = delete;

    // The table of each context.
    const std::vector<uint8_t> &table_of() const { return table_of_; }
    // The next n symbols, a multiple of 32, with the tables (not contexts) of each. CorruptData when the stream ends before.
    void decode(uint8_t *symbols, const uint16_t *tables, size_t n);
    // CorruptData unless all is used up.
    void finish() const;

private:
    std::vector<uint8_t> table_of_;
    rans_b::DecodeTables tables_;
    std::array<uint32_t, rans_b::kLanes> states_;
    const uint8_t *stream_, *limit_, *end_;
    bool in_tail_ = false;
    uint8_t tail_[2 * rans_b::kRowBytes] = {};
};

}  // namespace laconic::entropy
