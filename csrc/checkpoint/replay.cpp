#include "checkpoint/replay.h"

#include <cfloat>

#include "checkpoint/replay_impl.h"
#include "entropy/cpu.h"

namespace laconic::checkpoint {

static_assert(FLT_EVAL_METHOD == 0, "replayed steps need single precision that is rounded to single precision");

namespace {

const ReplayKernels kReplayScalar = kReplayHere;

const ReplayKernels &kernels() {
#if defined(LACONIC_X86)
    if (has_fma() && active_isa() == Isa::avx512) return kReplayAvx512;
    if (has_fma() && active_isa() == Isa::avx2) return kReplayAvx2;
#endif
    return kReplayScalar;
}

}  // namespace

void replay_adam(const uint8_t *p0, const uint8_t *m1, const uint8_t *v1, size_t n, const AdamScalars &s, AdamOrder order,
                 uint8_t *p1) {
    kernels().adam(p0, m1, v1, n, s, order, p1);
}

void replay_second_moment(const uint8_t *m0, const uint8_t *m1, const uint8_t *v0, size_t n, const AdamScalars &s,
                          MomentOrder order, uint8_t *v1) {
    kernels().second_moment(m0, m1, v0, n, s, order, v1);
}

void replay_sgd(const uint8_t *p0, const uint8_t *buffer0, const uint8_t *buffer1, size_t n, const SgdScalars &s, SgdOrder order,
                uint8_t *p1) {
    kernels().sgd(p0, buffer0, buffer1, n, s, order, p1);
}

void replay_shares(const uint8_t *p0, const uint8_t *m0, const uint8_t *v0, const uint8_t *m1, const uint8_t *v1, size_t n,
                   const StepShares &shares, uint8_t *p1) {
    kernels().shares(p0, m0, v0, m1, v1, n, shares, p1);
}

void scale(const uint8_t *x, size_t n, float factor, uint8_t *out) { kernels().scale(x, n, factor, out); }

void ratio_context(const uint8_t *m, const uint8_t *v, size_t n, uint8_t *contexts) {
    kernels().ratio_context(m, v, n, contexts);
}

void maximum(const uint8_t *a, const uint8_t *b, size_t n, uint8_t *out) {
    const PlainArithmetic plain;
    for (size_t i = 0; i < n; ++i) {
        const float x = load_float(a + 4 * i), y = load_float(b + 4 * i);
        put(out + 4 * i, y > x ? y : x);
    }
}

StepShares fit_shares(const uint8_t *p0, const uint8_t *p1, const uint8_t *m0, const uint8_t *v0, const uint8_t *m1,
                      const uint8_t *v1, size_t n) {
    constexpr size_t kSample = 4096;
    const PlainArithmetic plain;
    const size_t distance = std::max<size_t>(1, n / kSample);
    double now_now = 0, now_before = 0, before_before = 0, now_change = 0, before_change = 0;
    for (size_t i = 0; i < n; i += distance) {
        const double now = direction(load_float(m1 + 4 * i), load_float(v1 + 4 * i));
        const double before = direction(load_float(m0 + 4 * i), load_float(v0 + 4 * i));
        const double change = double{load_float(p1 + 4 * i)} - double{load_float(p0 + 4 * i)};
        // A direction is at most of the order of 1; the test fails for what is no number, too.
        if (!(std::fabs(now) < 100 && std::fabs(before) < 100 && std::fabs(change) < 1e10)) continue;
        now_now += now * now;
        now_before += now * before;
        before_before += before * before;
        now_change += now * change;
        before_change += before * change;
    }
    const auto share = [](double x) { return std::fabs(x) < 1e30 ? static_cast<float>(x) : 0.0f; };
    const double determinant = now_now * before_before - now_before * now_before;
    if (determinant > 1e-3 * now_now * before_before)
        return {share((now_change * before_before - before_change * now_before) / determinant),
                share((before_change * now_now - now_change * now_before) / determinant)};
    return {now_now > 0 ? share(now_change / now_now) : 0, 0};
}

}  // namespace laconic::checkpoint
