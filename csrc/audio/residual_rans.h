// Residuals through context-selected rANS tables: the entropy stage of level `fast`.
//
// Runs of 32 residuals share a scale class: the sum of their zigzag codes in half octaves. It says how many low bits of each are
// stored as they are, such that what is above fits a byte, and selects the table for that byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "entropy/byte_io.h"

namespace laconic::audio {

// channels: residuals of n samples each.
void encode_residuals(const std::vector<const int32_t *> &channels, size_t n, entropy::ByteWriter &out);
void decode_residuals(const std::vector<int32_t *> &channels, size_t n, entropy::ByteReader &in);

}  // namespace laconic::audio
