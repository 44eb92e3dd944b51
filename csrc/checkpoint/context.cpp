#include "checkpoint/context.h"

#include <algorithm>

namespace laconic::checkpoint {

namespace {

// log2(m^2 / v), to the precision of exponents.
inline int half_octaves(uint32_t m, uint32_t v) {
    return 2 * static_cast<int>(Fp32::exponent(m)) - static_cast<int>(Fp32::exponent(v)) - 127;
}

}  // namespace

void exponent_context(const uint8_t *x, size_t n, Format format, uint16_t *contexts) {
    with_format(format, [&]<class F>() {
        using T = typename F::Bits;
        for (size_t i = 0; i < n; ++i) contexts[i] = static_cast<uint16_t>(F::exponent(load<T>(x + i * sizeof(T))));
    });
}

void ratio_context(const uint8_t *m, const uint8_t *v, size_t n, uint16_t *contexts) {
    constexpr int kLeast = -31, kMost = 8;
    for (size_t i = 0; i < n; ++i) {
        const int ratio = half_octaves(load<uint32_t>(m + 4 * i), load<uint32_t>(v + 4 * i));
        contexts[i] = static_cast<uint16_t>(std::clamp(ratio, kLeast, kMost) - kLeast);
    }
}

void step_context(const uint8_t *p, const uint8_t *m, const uint8_t *v, size_t n, uint16_t *contexts) {
    constexpr int kLeast = 112, kMost = 127;  // weights between 2^-15 and 1; what is smaller changes like those
    for (size_t i = 0; i < n; ++i) {
        const uint32_t moment = load<uint32_t>(m + 4 * i);
        const int ratio = half_octaves(moment, load<uint32_t>(v + 4 * i));
        const unsigned size = static_cast<unsigned>(std::clamp(ratio + 6, 0, 7)) / 2;
        const int exponent = static_cast<int>(Fp32::exponent(load<uint32_t>(p + 4 * i)));
        const unsigned scale = static_cast<unsigned>(std::clamp(exponent, kLeast, kMost) - kLeast);
        contexts[i] = static_cast<uint16_t>(scale << 3 | size << 1 | moment >> 31);
    }
}

}  // namespace laconic::checkpoint
