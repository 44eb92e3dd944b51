#if defined(LACONIC_X86)

#include "checkpoint/replay_impl.h"

namespace laconic::checkpoint {

const ReplayKernels kReplayAvx2 = kReplayHere;

}  // namespace laconic::checkpoint

#endif
