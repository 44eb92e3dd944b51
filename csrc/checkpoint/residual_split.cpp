#include "checkpoint/residual_split.h"

#include "checkpoint/residual_impl.h"
#include "entropy/cpu.h"

namespace laconic::checkpoint {

void split_residuals(const uint8_t *actual, const uint8_t *predicted, size_t n, size_t width, uint8_t *symbols, uint8_t *low_bits,
                     uint32_t *low) {
#if defined(LACONIC_X86)
    if (active_isa() == Isa::avx512) return split_residuals_avx512(actual, predicted, n, width, symbols, low_bits, low);
    if (active_isa() == Isa::avx2) return split_residuals_avx2(actual, predicted, n, width, symbols, low_bits, low);
#endif
    split_here(actual, predicted, n, width, symbols, low_bits, low);
}

}  // namespace laconic::checkpoint
