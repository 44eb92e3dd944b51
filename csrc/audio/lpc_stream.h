// Planes coded by forward-adaptive prediction: per block and pair of channels a stereo form, per channel a predictor, then the
// residuals.
#pragma once

#include <vector>

#include "audio/bytes_io.h"

namespace laconic::audio {

// channels: n samples each, n >= 1. The samples are not kept.
void encode_lpc(const std::vector<int32_t *> &channels, size_t n, ByteWriter &out);
void decode_lpc(const std::vector<int32_t *> &channels, size_t n, ByteReader &in);

}  // namespace laconic::audio
