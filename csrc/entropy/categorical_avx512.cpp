#if defined(LACONIC_X86)
#include <immintrin.h>

#include "entropy/categorical_kernel.h"

namespace laconic {
namespace {

// Weights of 16 symbols, 0 for what is no probability, which is remembered in `bad`.
inline __m512i weights(__m512 p, __mmask16 &bad) {
    const __mmask16 good = _mm512_cmp_ps_mask(p, _mm512_setzero_ps(), _CMP_GE_OQ) &
                           _mm512_cmp_ps_mask(p, _mm512_set1_ps(static_cast<float>(kMaxProbability)), _CMP_LE_OQ);
    bad |= static_cast<__mmask16>(~good);
    return _mm512_maskz_cvttps_epi32(good, _mm512_mul_ps(p, _mm512_set1_ps(static_cast<float>(kRowWeightOne))));
}

bool block_sums_f32(const float *row, std::size_t alphabet, std::uint32_t *sums) {
    __mmask16 bad = 0;
    std::size_t i = 0;
    for (; i + kBlock <= alphabet; i += kBlock)
        *sums++ = static_cast<std::uint32_t>(_mm512_reduce_add_epi32(weights(_mm512_loadu_ps(row + i), bad)));
    if (i < alphabet) {
        const auto live = static_cast<__mmask16>((1u << (alphabet - i)) - 1);
        *sums = static_cast<std::uint32_t>(_mm512_reduce_add_epi32(weights(_mm512_maskz_loadu_ps(live, row + i), bad)));
    }
    return bad == 0;
}

}  // namespace

const CategoricalKernels &categorical_avx512_kernels() {
    static constexpr CategoricalKernels set{block_sums_f32, block_sums<double>};
    return set;
}

}  // namespace laconic
#endif
