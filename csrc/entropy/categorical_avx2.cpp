#if defined(LACONIC_X86)
#include <immintrin.h>

#include "entropy/categorical_kernel.h"

namespace laconic {
namespace {

// Weights of 8 symbols, 0 for what is no probability, which is remembered in `good`.
inline __m256i weights(__m256 p, __m256 &good) {
    const __m256 fine = _mm256_and_ps(_mm256_cmp_ps(p, _mm256_setzero_ps(), _CMP_GE_OQ),
                                      _mm256_cmp_ps(p, _mm256_set1_ps(static_cast<float>(kMaxProbability)), _CMP_LE_OQ));
    good = _mm256_and_ps(good, fine);
    return _mm256_cvttps_epi32(_mm256_mul_ps(_mm256_and_ps(p, fine), _mm256_set1_ps(static_cast<float>(kRowWeightOne))));
}

bool block_sums_f32(const float *row, std::size_t alphabet, std::uint32_t *sums) {
    __m256 good = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
    std::size_t i = 0;
    for (; i + kBlock <= alphabet; i += kBlock) {
        const __m256i w = _mm256_add_epi32(weights(_mm256_loadu_ps(row + i), good), weights(_mm256_loadu_ps(row + i + 8), good));
        __m128i s = _mm_add_epi32(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
        s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
        s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
        *sums++ = static_cast<std::uint32_t>(_mm_cvtsi128_si32(s));
    }
    const bool rest = i == alphabet || block_sums(row + i, alphabet - i, sums);
    return rest && _mm256_movemask_ps(good) == 0xff;
}

}  // namespace

template <>
const RowKernels<float> &row_kernels_avx2() {
    static constexpr RowKernels<float> set{block_sums_f32, last_block, edges<float>};
    return set;
}

template <>
const RowKernels<double> &row_kernels_avx2() {
    static constexpr RowKernels<double> set{block_sums<double>, last_block, edges<double>};
    return set;
}

}  // namespace laconic
#endif
