// fp32 to the 16-bit formats, rounded to nearest even as every framework does; NaNs keep the top of their payload.
#pragma once

#include <cstddef>
#include <cstdint>

namespace laconic::checkpoint {

enum class Half : uint8_t { bf16 = 0, fp16 = 1 };

// x: n fp32 elements, out: n elements of `format`.
void cast_from_fp32(const uint8_t *x, size_t n, Half format, uint8_t *out);

}  // namespace laconic::checkpoint
