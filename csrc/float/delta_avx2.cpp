#if defined(LACONIC_X86)

#include "float/delta_impl.h"

namespace laconic::floats {

const DeltaKernels kDeltaAvx2 = kDeltaHere;

}  // namespace laconic::floats

#endif
