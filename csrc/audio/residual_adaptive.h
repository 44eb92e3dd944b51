// Residuals through the cascade and an adaptive binary coder (profile D): the entropy stage of level `default`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "entropy/byte_io.h"

namespace laconic::audio {

// channels: n values each.
void encode_adaptive(const std::vector<const int32_t *> &channels, size_t n, entropy::ByteWriter &out);
void decode_adaptive(const std::vector<int32_t *> &channels, size_t n, entropy::ByteReader &in);

}  // namespace laconic::audio
