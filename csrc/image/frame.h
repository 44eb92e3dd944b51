// A frame of the image codec: rows of pixels. codecs/image/FORMAT.md specifies the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "image/pixels.h"

namespace laconic::image {

enum class Method : uint8_t { fast = 1, mixed = 2 };

// The payload of raw[0, size), whose rows lie as `format` says; bytes after the last whole row are kept. Empty if this method has
// nothing to say: no whole row, or rows too narrow for it.
std::vector<uint8_t> encode_frame(const uint8_t *raw, size_t size, const PixelFormat &format, Method method);

// Fills raw[0, size); CorruptData unless the payload is exactly that.
void decode_frame(const uint8_t *payload, size_t payload_size, const PixelFormat &format, uint8_t *raw, size_t size);

}  // namespace laconic::image
