// Planes coded by forward-adaptive prediction: per block and pair of channels a stereo form, per channel a predictor, then the
// residuals.
#pragma once

#include <vector>

#include "entropy/byte_io.h"

namespace laconic::audio {

// How residuals are coded: residual_rans.h or residual_adaptive.h.
enum class Residuals { rans, adaptive };

// channels: n samples each, n >= 1.
void encode_lpc(const std::vector<int32_t *> &channels, size_t n, Residuals stage, entropy::ByteWriter &out);
void decode_lpc(const std::vector<int32_t *> &channels, size_t n, Residuals stage, entropy::ByteReader &in);

}  // namespace laconic::audio
