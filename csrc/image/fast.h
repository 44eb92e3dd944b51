// Level `fast`: the median edge predictor (M. Weinberger, G. Seroussi, G. Sapiro, "LOCO-I", 1996) on reversibly transformed
// colours; residuals coded with rANS tables chosen by the residuals above and in the plane before. Contexts never look to the
// left, so that whole rows are decoded by the SIMD coder; prediction then runs over all planes in step.
#pragma once

#include <vector>

#include "entropy/byte_io.h"
#include "image/pixels.h"

namespace laconic::image {

constexpr size_t kFastMinWidth = 16;  // narrower pictures would be mostly padding

std::vector<uint8_t> encode_fast(const Picture &picture);
// The planes have their size and bits; CorruptData unless the rest of `in` is their coding.
void decode_fast(entropy::ByteReader &in, Picture &picture);

}  // namespace laconic::image
