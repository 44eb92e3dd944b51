// fp32 to the 16-bit formats, rounded to nearest even as every framework does; NaNs keep the top of their payload.
#pragma once

#include <cstddef>
#include <cstdint>

#include "checkpoint/elements.h"

namespace laconic::checkpoint {

// x: n fp32 elements, out: n elements of `format` (bf16 or fp16).
void cast_from_fp32(const uint8_t *x, size_t n, Format format, uint8_t *out);

}  // namespace laconic::checkpoint
