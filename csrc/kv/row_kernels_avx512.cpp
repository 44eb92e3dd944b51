#if defined(LACONIC_X86)

#include "kv/row_kernels_impl.h"

namespace laconic::kv {

const RowKernels kRowKernelsAvx512 = kRowKernelsHere;

}  // namespace laconic::kv

#endif
