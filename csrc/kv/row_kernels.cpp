#include "kv/row_kernels.h"

#include "entropy/cpu.h"
#include "kv/row_kernels_impl.h"

namespace laconic::kv {

const RowKernels kRowKernelsScalar = kRowKernelsHere;

const RowKernels &row_kernels() {
#if defined(LACONIC_X86)
    if (active_isa() == Isa::avx512) return kRowKernelsAvx512;
    if (active_isa() == Isa::avx2) return kRowKernelsAvx2;
#endif
    return kRowKernelsScalar;
}

}  // namespace laconic::kv
