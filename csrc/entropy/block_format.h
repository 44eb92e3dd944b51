// The constants of the block format, shared by the block's parts. docs/entropy.md quotes them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "entropy/bit_io.h"
#include "entropy/log2_fixed.h"
#include "entropy/segments.h"
#include "entropy/tables.h"

namespace laconic::entropy {

// Low nibble of a block's first byte; the high nibble is the tables' precision, or 0 where there are none.
enum class Form : uint8_t { raw = 0, constant = 1, run = 2, a = 3, b = 4, b_few_lanes = 5, a_segments = 6, b_segments = 7 };

// Above any header: 256 table entries of at most 45 bits, 256 states of 16 bits, and small change.
constexpr size_t kHeaderRoom = 2048;

// Symbols from which profile B uses 32 lanes instead of 4, and from which profile A is worth a look.
constexpr size_t kManyLanesFrom = 4096;
constexpr size_t kProfileAFrom = 4096;

// Symbols from which profile A may be fitted to a sample.
constexpr size_t kSampleFrom = 32768;

// Symbols from which a block may be cut into segments.
constexpr size_t kSegmentsFrom = 32768;

// LEB128: 7 bits a byte, lowest first, the top bit set where more follow.
inline uint8_t *write_varint(uint8_t *out, size_t value) {
    for (; value >= 0x80; value >>= 7) *out++ = static_cast<uint8_t>(value | 0x80);
    *out++ = static_cast<uint8_t>(value);
    return out;
}

inline size_t read_varint(const uint8_t *&data, const uint8_t *end) {
    size_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        if (data == end) throw CorruptData("entropy block: header is cut off");
        const uint8_t byte = *data++;
        value |= static_cast<size_t>(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
    throw CorruptData("entropy block: a number is too long");
}

inline uint8_t first_byte(Form form, unsigned precision) {
    return static_cast<uint8_t>(static_cast<unsigned>(form) | precision << 4);
}

// How many segments there are, and the rows of all but the last.
template <typename Segments>
uint8_t *write_segment_rows(const Segments &segments, uint8_t *out) {
    out = write_varint(out, segments.size());
    for (size_t k = 0; k + 1 < segments.size(); ++k) out = write_varint(out, segments[k].n / kSegmentRow);
    return out;
}

inline std::vector<size_t> read_segment_lengths(const uint8_t *&data, const uint8_t *end, size_t n) {
    std::vector<size_t> lengths;
    size_t count = read_varint(data, end);
    if (count == 0) throw CorruptData("entropy block: no segments");
    for (; count > 1; --count) {
        const size_t rows = read_varint(data, end);
        if (rows == 0 || rows >= (n + kSegmentRow - 1) / kSegmentRow) throw CorruptData("entropy block: a segment lies outside");
        lengths.push_back(rows * kSegmentRow);
        n -= rows * kSegmentRow;
    }
    lengths.push_back(n);
    return lengths;
}

// Parts of the encoders of both profiles.

using Freqs = std::array<uint16_t, 256>;

inline size_t bytes_of(uint64_t fixed_bits) { return static_cast<size_t>((fixed_bits >> kLogBits) / 8 + 1); }

inline size_t table_bytes(const Freqs &freqs, unsigned precision) {
    std::array<uint8_t, kHeaderRoom> buffer;
    BitWriter bits(buffer.data(), buffer.size());
    write_table(bits, freqs, precision);
    return bits.finish();
}

// Moves the stream, coded at the end of the room, next to its header.
inline size_t join(uint8_t *out, size_t header, const uint8_t *stream, const uint8_t *end) {
    const size_t size = static_cast<size_t>(end - stream);
    std::memmove(out + header, stream, size);
    return header + size;
}

}  // namespace laconic::entropy
