#include "checkpoint/cast.h"

#include <algorithm>

#include "checkpoint/elements.h"

namespace laconic::checkpoint {

namespace {

inline uint16_t to_bf16(uint32_t x) {
    if ((x & 0x7fffffffu) > 0x7f800000u) return 0x7fc0;  // what torch makes of every NaN
    return static_cast<uint16_t>((x + 0x7fff + (x >> 16 & 1)) >> 16);
}

inline uint16_t to_fp16(uint32_t x) {
    const uint16_t sign = static_cast<uint16_t>(x >> 16 & 0x8000);
    x &= 0x7fffffff;
    if (x > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00);
    if (x >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);  // rounds to infinity
    // Below 2^-14 the result counts multiples of 2^-24: the mantissa is shifted further.
    const bool denormal = x < 0x38800000;
    const unsigned exponent = x >> 23;
    const unsigned shift = !denormal ? 13 : std::min(126u - std::min(exponent, 126u), 31u);
    const uint32_t value = !denormal ? x - 0x38000000 : exponent == 0 ? 0 : (x & 0x7fffff) | 0x800000;
    const uint32_t half = (uint32_t{1} << (shift - 1)) - 1;
    const uint64_t rounded = (uint64_t{value} + half + (shift < 31 ? value >> shift & 1 : 0)) >> shift;
    return static_cast<uint16_t>(sign | rounded);
}

}  // namespace

void cast_from_fp32(const uint8_t *x, size_t n, Half format, uint8_t *out) {
    if (format == Half::bf16)
        for (size_t i = 0; i < n; ++i) store(out + 2 * i, to_bf16(load<uint32_t>(x + 4 * i)));
    else
        for (size_t i = 0; i < n; ++i) store(out + 2 * i, to_fp16(load<uint32_t>(x + 4 * i)));
}

}  // namespace laconic::checkpoint
