#include "image/fast_kernels.h"

#include <algorithm>
#include <type_traits>

#include "entropy/cpu.h"
#include "image/fast_kernels_impl.h"

namespace laconic::image {

template <typename Sample>
const RowKernels<Sample> &row_kernels() {
#if defined(LACONIC_X86)
    constexpr bool narrow = std::is_same_v<Sample, uint8_t>;
    if (active_isa() == Isa::avx512) {
        if constexpr (narrow)
            return kRowAvx512_8;
        else
            return kRowAvx512_16;
    }
    if (active_isa() == Isa::avx2) {
        if constexpr (narrow)
            return kRowAvx2_8;
        else
            return kRowAvx2_16;
    }
#endif
    return kRows<Sample>;
}
template const RowKernels<uint8_t> &row_kernels();
template const RowKernels<uint16_t> &row_kernels();

const ContextKernels &context_kernels() {
#if defined(LACONIC_X86)
    if (active_isa() == Isa::avx512) return kContextAvx512;
    if (active_isa() == Isa::avx2) return kContextAvx2;
#endif
    return kContextRows;
}

}  // namespace laconic::image
