// Planes coded by a cascade of adaptive filters and an adaptive binary coder: level `default`.
#pragma once

#include <vector>

#include "audio/bytes_io.h"

namespace laconic::audio {

// channels: n samples each, n >= 1.
void encode_cascade(const std::vector<int32_t *> &channels, size_t n, ByteWriter &out);
void decode_cascade(const std::vector<int32_t *> &channels, size_t n, ByteReader &in);

}  // namespace laconic::audio
