// The payload of a `planes` frame of the weights codec: raw elements in chunks, each chunk's planes as entropy blocks
// with tables of their own. codecs/weights/FORMAT.md specifies every byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "float/planes.h"

namespace laconic::floats {

// Elements that share tables. A chunk pays 128 bytes of coder states and 40 to 60 of table for each coded plane; 64 Ki, 128 Ki
// and 256 Ki elements gave 66.82, 66.76 and 66.74 % on bf16 and 67.60, 67.68 and 67.81 % on uint8 (level default).
constexpr size_t kChunk = size_t{1} << 17;
constexpr size_t kByteChunk = size_t{1} << 16;  // of elements one byte wide

// A frame of `count` elements is cut evenly into round(count / kChunk) chunks (at least one): this many elements each, the last
// one fewer.
size_t chunk_length(size_t count, const ElementFormat &format);

// std::invalid_argument if the format is none that the codec writes.
void check_format(const ElementFormat &format);

// Bytes that encode_frame may write while it works.
size_t frame_bound(size_t raw_size, const ElementFormat &format);

// Returns the payload's size. `base` is null or has raw_size bytes.
size_t encode_frame(const uint8_t *raw, size_t raw_size, const uint8_t *base, const ElementFormat &format, bool prefer_speed,
                    uint8_t *out);

// Fills raw[0, raw_size); CorruptData unless data[0, size) is exactly such a payload.
void decode_frame(const uint8_t *data, size_t size, const uint8_t *base, const ElementFormat &format, uint8_t *raw,
                  size_t raw_size);

// Forms of a frame's planes and their coded sizes, for reports: "A 1234, raw 65536" summed over the chunks.
struct PlaneReport {
    std::string form;  // of the first chunk
    size_t bytes = 0;
};
void inspect_frame(const uint8_t *data, size_t size, const ElementFormat &format, size_t raw_size, PlaneReport planes[kMaxWidth]);

}  // namespace laconic::floats
