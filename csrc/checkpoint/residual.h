// Floats as differences to a prediction that encoder and decoder both have: the base, or what an optimizer's step makes of it.
//
// The difference is that of the ordered integers, so that neighbouring floats differ by 1. Its size class and sign are a symbol,
// coded in a context; the bits below the class are noise and stored as they are. codecs/checkpoint/FORMAT.md, "Residuals".
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "checkpoint/elements.h"

namespace laconic::checkpoint {

// actual, predicted: n elements of `format`, little-endian. contexts: n, or null.
std::vector<uint8_t> encode_residual(const uint8_t *actual, const uint8_t *predicted, const uint16_t *contexts, size_t n,
                                     Format format);

// Fills out (n elements) from exactly such a payload; CorruptData otherwise.
void decode_residual(const uint8_t *data, size_t size, const uint8_t *predicted, const uint16_t *contexts, size_t n,
                     Format format, uint8_t *out);

}  // namespace laconic::checkpoint
