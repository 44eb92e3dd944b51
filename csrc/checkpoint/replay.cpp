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
    static const bool fma = __builtin_cpu_supports("fma");  // AVX2 without it exists (VIA)
    if (fma && active_isa() == Isa::avx512) return kReplayAvx512;
    if (fma && active_isa() == Isa::avx2) return kReplayAvx2;
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

void scale(const uint8_t *x, size_t n, float factor, uint8_t *out) {
    const PlainArithmetic plain;
    for (size_t i = 0; i < n; ++i) put(out + 4 * i, load_float(x + 4 * i) * factor);
}

void maximum(const uint8_t *a, const uint8_t *b, size_t n, uint8_t *out) {
    const PlainArithmetic plain;
    for (size_t i = 0; i < n; ++i) {
        const float x = load_float(a + 4 * i), y = load_float(b + 4 * i);
        put(out + 4 * i, y > x ? y : x);
    }
}

}  // namespace laconic::checkpoint
