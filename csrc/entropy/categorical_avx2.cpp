#if defined(LACONIC_X86)
#include <immintrin.h>

#include "entropy/categorical_kernel.h"

namespace laconic {
namespace {

// Bits of floats from 0 to kMaxProbability compare as integers, and all others - negative, larger, not a number - lie above.
inline __m256i weights(__m256 p, __m256i &most) {
    most = _mm256_max_epu32(most, _mm256_castps_si256(p));
    return _mm256_cvttps_epi32(_mm256_mul_ps(p, _mm256_set1_ps(static_cast<float>(kRowWeightOne))));
}

bool sum_f32(const float *row, std::size_t alphabet, std::uint32_t *before) {
    __m256i most = _mm256_setzero_si256();
    std::uint32_t *sums = before + 1;
    std::size_t i = 0;
    for (; i + kBlock <= alphabet; i += kBlock) {
        const __m256i w = _mm256_add_epi32(weights(_mm256_loadu_ps(row + i), most), weights(_mm256_loadu_ps(row + i + 8), most));
        __m128i s = _mm_add_epi32(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
        s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
        s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
        *sums++ = static_cast<std::uint32_t>(_mm_cvtsi128_si32(s));
    }
    if (i < alphabet && !block_sums(row + i, alphabet - i, sums)) return false;
    const __m256i largest = _mm256_set1_epi32(std::bit_cast<int>(static_cast<float>(kMaxProbability)));
    const __m256i fine = _mm256_cmpeq_epi32(_mm256_max_epu32(most, largest), largest);
    // A negative zero is a probability, too.
    if (_mm256_movemask_epi8(fine) != -1 && !block_sums(row, alphabet, before + 1)) return false;
    return sum_up(blocks_of(alphabet), before);
}

}  // namespace

template <>
const RowKernels<float> &row_kernels_avx2() {
    static constexpr RowKernels<float> set{sum_f32, interval<float>, locate<float>};
    return set;
}

template <>
const RowKernels<double> &row_kernels_avx2() {
    static constexpr RowKernels<double> set{sum<double>, interval<double>, locate<double>};
    return set;
}

}  // namespace laconic
#endif
