// Contexts from what the decoder already has: integer functions of exponents and signs, one for each element.
#pragma once

#include <cstddef>
#include <cstdint>

#include "checkpoint/elements.h"

namespace laconic::checkpoint {

// The exponent of x.
void exponent_context(const uint8_t *x, size_t n, Format format, uint16_t *contexts);

// How large a first moment m is beside the deviation sqrt(v), in half octaves, limited to 40 values; both fp32.
void ratio_context(const uint8_t *m, const uint8_t *v, size_t n, uint16_t *contexts);

// For a weight p that steps were taken from: its exponent, the size of the last step m / sqrt(v) in four classes, and its sign;
// fp32.
void step_context(const uint8_t *p, const uint8_t *m, const uint8_t *v, size_t n, uint16_t *contexts);

}  // namespace laconic::checkpoint
