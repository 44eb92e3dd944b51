#if defined(LACONIC_X86)

#include "checkpoint/residual_impl.h"

namespace laconic::checkpoint {

void split_residuals_avx2(const uint8_t *actual, const uint8_t *predicted, size_t n, size_t width, uint8_t *symbols,
                          uint8_t *low_bits, uint32_t *low) {
    split_here(actual, predicted, n, width, symbols, low_bits, low);
}

}  // namespace laconic::checkpoint

#endif
