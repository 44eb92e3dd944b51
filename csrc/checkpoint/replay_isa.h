// The per-ISA entry points behind replay.h.
#pragma once

#include "checkpoint/replay.h"

namespace laconic::checkpoint {

#if defined(LACONIC_X86)
#define LACONIC_REPLAY(isa)                                                                                                  \
    void replay_adam_##isa(const uint8_t *p0, const uint8_t *m1, const uint8_t *v1, size_t n, const AdamScalars &s,          \
                           AdamOrder order, uint8_t *p1);                                                                    \
    void replay_second_moment_##isa(const uint8_t *m0, const uint8_t *m1, const uint8_t *v0, size_t n, const AdamScalars &s, \
                                    MomentOrder order, uint8_t *v1);                                                         \
    void replay_sgd_##isa(const uint8_t *p0, const uint8_t *buffer0, const uint8_t *buffer1, size_t n, const SgdScalars &s,  \
                          SgdOrder order, uint8_t *p1);
LACONIC_REPLAY(avx2)
LACONIC_REPLAY(avx512)
#undef LACONIC_REPLAY
#endif

}  // namespace laconic::checkpoint
