#if defined(LACONIC_X86)
#include "entropy/location_scale_kernel.h"

namespace laconic::location_scale {

const Kernels &avx512_kernels() { return Loops<Lanes8>::kernels; }

}  // namespace laconic::location_scale
#endif
