#if defined(LACONIC_X86)
#include "entropy/location_scale_kernel.h"

namespace laconic::location_scale {

const Kernels &avx2_kernels() { return Loops<Lanes4>::kernels; }

}  // namespace laconic::location_scale
#endif
