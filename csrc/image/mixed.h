// Level `default`: each sample is predicted by least squares over its neighbourhood in this and the planes before, and its
// residual is coded bit by bit with adaptive models in several contexts, mixed.
#pragma once

#include <vector>

#include "entropy/byte_io.h"
#include "image/pixels.h"

namespace laconic::image {

std::vector<uint8_t> encode_mixed(const Picture &picture);
// The planes have their size and bits; CorruptData unless the rest of `in` is their coding.
void decode_mixed(entropy::ByteReader &in, Picture &picture);

}  // namespace laconic::image
