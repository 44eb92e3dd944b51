#if defined(LACONIC_X86)

#include "checkpoint/replay_impl.h"
#include "checkpoint/replay_isa.h"

namespace laconic::checkpoint {

void replay_adam_avx512(const uint8_t *p0, const uint8_t *m1, const uint8_t *v1, size_t n, const AdamScalars &s, AdamOrder order,
                        uint8_t *p1) {
    replay_adam_here(p0, m1, v1, n, s, order, p1);
}

void replay_second_moment_avx512(const uint8_t *m0, const uint8_t *m1, const uint8_t *v0, size_t n, const AdamScalars &s,
                                 MomentOrder order, uint8_t *v1) {
    replay_second_moment_here(m0, m1, v0, n, s, order, v1);
}

void replay_sgd_avx512(const uint8_t *p0, const uint8_t *buffer0, const uint8_t *buffer1, size_t n, const SgdScalars &s,
                       SgdOrder order, uint8_t *p1) {
    replay_sgd_here(p0, buffer0, buffer1, n, s, order, p1);
}

}  // namespace laconic::checkpoint

#endif
