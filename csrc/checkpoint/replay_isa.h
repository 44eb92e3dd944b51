// The loops behind replay.h, one set for each instruction set.
#pragma once

#include "checkpoint/replay.h"

namespace laconic::checkpoint {

struct ReplayKernels {
    decltype(&replay_adam) adam;
    decltype(&replay_second_moment) second_moment;
    decltype(&replay_sgd) sgd;
    decltype(&replay_shares) shares;
    decltype(&checkpoint::scale) scale;
    decltype(&checkpoint::ratio_context) ratio_context;
};

#if defined(LACONIC_X86)
extern const ReplayKernels kReplayAvx2, kReplayAvx512;
#endif

}  // namespace laconic::checkpoint
