// The payload of a `planes` frame of the weights codec: raw elements in chunks of kChunk, each chunk's planes as entropy blocks
// with tables of their own. codecs/weights/FORMAT.md specifies every byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "float/planes.h"

namespace laconic::floats {

constexpr size_t kChunk = size_t{1} << 16;  // elements that share tables: 40 to 60 bytes of table cost 0.006 bit an element

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
