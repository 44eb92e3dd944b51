// The loops of replay.h, included by one file per instruction set: plain C++ that the compiler vectorises with that file's flags.
// Contraction is off for all of them (CMakeLists.txt): an fma is one only where it is written.
#pragma once

#include <algorithm>
#include <cfenv>
#include <cmath>

#include "checkpoint/elements.h"
#include "checkpoint/replay_isa.h"

namespace laconic::checkpoint {
namespace {

// Rounding to nearest and denormals as they are, whatever the thread was set to.
class PlainArithmetic {
public:
    PlainArithmetic() {
        std::fegetenv(&before_);
        std::fesetenv(FE_DFL_ENV);
    }
    PlainArithmetic(const PlainArithmetic &) = delete;
    PlainArithmetic &operator=(const PlainArithmetic &) = delete;
    ~PlainArithmetic() { std::fesetenv(&before_); }

private:
    std::fenv_t before_;
};

[[gnu::always_inline]] inline void put(uint8_t *p, float x) {
    const uint32_t bits = std::bit_cast<uint32_t>(x);
    store(p, (bits & 0x7fffffffu) > 0x7f800000u ? uint32_t{0x7fc00000} : bits);
}

template <AdamOrder Order>
void adam_loop(const uint8_t *p0, const uint8_t *m1, const uint8_t *v1, size_t n, const AdamScalars &s, uint8_t *p1) {
    const float scaled_correction = s.correction * s.step, scaled_epsilon = s.epsilon / s.step;
    for (size_t i = 0; i < n; ++i) {
        const float p = load_float(p0 + 4 * i), m = load_float(m1 + 4 * i), root = std::sqrt(load_float(v1 + 4 * i));
        if constexpr (Order == AdamOrder::scaled) {
            put(p1 + 4 * i, p * s.decay + m / (root / scaled_correction + scaled_epsilon));
        } else {
            const float q = (s.step * m) / (root / s.correction + s.epsilon);
            put(p1 + 4 * i, Order == AdamOrder::fused ? std::fma(p, s.decay, q) : p * s.decay + q);
        }
    }
}

// The gradient that took a to b = a + rest * (g - a), in double precision.
[[gnu::always_inline]] inline float gradient(float a, float b, double rest) {
    return static_cast<float>((static_cast<double>(b) - static_cast<double>(a)) / rest + static_cast<double>(a));
}

template <MomentOrder Order>
void moment_loop(const uint8_t *m0, const uint8_t *m1, const uint8_t *v0, size_t n, const AdamScalars &s, uint8_t *v1) {
    const double rest = s.beta1_rest;
    for (size_t i = 0; i < n; ++i) {
        const float g = gradient(load_float(m0 + 4 * i), load_float(m1 + 4 * i), rest), v = load_float(v0 + 4 * i);
        const float weighted = s.beta2_rest * g;
        float x = 0;
        if constexpr (Order == MomentOrder::fused_square) x = std::fma(weighted, g, v * s.beta2);
        if constexpr (Order == MomentOrder::separate) x = v * s.beta2 + weighted * g;
        if constexpr (Order == MomentOrder::fused_decay) x = std::fma(v, s.beta2, weighted * g);
        if constexpr (Order == MomentOrder::square_first) x = std::fma(s.beta2_rest, g * g, v * s.beta2);
        put(v1 + 4 * i, x);
    }
}

template <SgdOrder Order>
void sgd_loop(const uint8_t *p0, const uint8_t *buffer0, const uint8_t *buffer1, size_t n, const SgdScalars &s, uint8_t *p1) {
    for (size_t i = 0; i < n; ++i) {
        const float p = load_float(p0 + 4 * i), b = load_float(buffer1 + 4 * i);
        float x = 0;
        if constexpr (Order == SgdOrder::fused) x = std::fma(b, s.step, p);
        if constexpr (Order == SgdOrder::separate) x = p + b * s.step;
        if constexpr (Order == SgdOrder::nesterov_fused || Order == SgdOrder::nesterov_separate) {
            const double before = load_float(buffer0 + 4 * i);
            const float g = static_cast<float>((static_cast<double>(b) - s.momentum * before) / s.dampening_rest);
            x = Order == SgdOrder::nesterov_fused ? std::fma(std::fma(b, s.momentum, g), s.step, p)
                                                  : p + (g + b * s.momentum) * s.step;
        }
        put(p1 + 4 * i, x);
    }
}

void replay_adam_here(const uint8_t *p0, const uint8_t *m1, const uint8_t *v1, size_t n, const AdamScalars &s, AdamOrder order,
                      uint8_t *p1) {
    const PlainArithmetic plain;
    if (order == AdamOrder::separate) adam_loop<AdamOrder::separate>(p0, m1, v1, n, s, p1);
    if (order == AdamOrder::fused) adam_loop<AdamOrder::fused>(p0, m1, v1, n, s, p1);
    if (order == AdamOrder::scaled) adam_loop<AdamOrder::scaled>(p0, m1, v1, n, s, p1);
}

void replay_second_moment_here(const uint8_t *m0, const uint8_t *m1, const uint8_t *v0, size_t n, const AdamScalars &s,
                               MomentOrder order, uint8_t *v1) {
    const PlainArithmetic plain;
    if (order == MomentOrder::fused_square) moment_loop<MomentOrder::fused_square>(m0, m1, v0, n, s, v1);
    if (order == MomentOrder::separate) moment_loop<MomentOrder::separate>(m0, m1, v0, n, s, v1);
    if (order == MomentOrder::fused_decay) moment_loop<MomentOrder::fused_decay>(m0, m1, v0, n, s, v1);
    if (order == MomentOrder::square_first) moment_loop<MomentOrder::square_first>(m0, m1, v0, n, s, v1);
}

void replay_sgd_here(const uint8_t *p0, const uint8_t *buffer0, const uint8_t *buffer1, size_t n, const SgdScalars &s,
                     SgdOrder order, uint8_t *p1) {
    const PlainArithmetic plain;
    if (order == SgdOrder::fused) sgd_loop<SgdOrder::fused>(p0, buffer0, buffer1, n, s, p1);
    if (order == SgdOrder::separate) sgd_loop<SgdOrder::separate>(p0, buffer0, buffer1, n, s, p1);
    if (order == SgdOrder::nesterov_fused) sgd_loop<SgdOrder::nesterov_fused>(p0, buffer0, buffer1, n, s, p1);
    if (order == SgdOrder::nesterov_separate) sgd_loop<SgdOrder::nesterov_separate>(p0, buffer0, buffer1, n, s, p1);
}

[[gnu::always_inline]] inline float direction(float m, float v) { return m / (std::sqrt(v) + 1e-8f); }

void replay_shares_here(const uint8_t *p0, const uint8_t *m0, const uint8_t *v0, const uint8_t *m1, const uint8_t *v1, size_t n,
                        const StepShares &shares, uint8_t *p1) {
    const PlainArithmetic plain;
    for (size_t i = 0; i < n; ++i) {
        const float now = direction(load_float(m1 + 4 * i), load_float(v1 + 4 * i));
        const float before = direction(load_float(m0 + 4 * i), load_float(v0 + 4 * i));
        put(p1 + 4 * i, load_float(p0 + 4 * i) + (shares.now * now + shares.before * before));
    }
}

void scale_here(const uint8_t *x, size_t n, float factor, uint8_t *out) {
    const PlainArithmetic plain;
    for (size_t i = 0; i < n; ++i) put(out + 4 * i, load_float(x + 4 * i) * factor);
}

// log2(m^2 / v) to the precision of exponents.
void ratio_context_here(const uint8_t *m, const uint8_t *v, size_t n, uint8_t *contexts) {
    constexpr int32_t kLeast = -31, kMost = 8;
    for (size_t i = 0; i < n; ++i) {
        const uint32_t of_m = load<uint32_t>(m + 4 * i) >> 23 & 255, of_v = load<uint32_t>(v + 4 * i) >> 23 & 255;
        const int32_t ratio = static_cast<int32_t>(2 * of_m) - static_cast<int32_t>(of_v) - 127;
        contexts[i] = static_cast<uint8_t>(std::min(std::max(ratio, kLeast), kMost) - kLeast);
    }
}

constexpr ReplayKernels kReplayHere = {replay_adam_here, replay_second_moment_here, replay_sgd_here, replay_shares_here,
                                       scale_here,       ratio_context_here};

}  // namespace
}  // namespace laconic::checkpoint
