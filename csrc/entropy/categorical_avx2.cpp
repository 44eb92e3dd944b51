#if defined(LACONIC_X86)
#include "entropy/categorical_kernel.h"

namespace laconic {

const CategoricalKernels &categorical_avx2_kernels() {
    static constexpr CategoricalKernels set{block_sums<float>, block_sums<double>};
    return set;
}

}  // namespace laconic
#endif
