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

// Sum i of the result is that of the elements of w[i].
inline __m512i sums_of_16(const __m512i *w) {
    __m512i fours[4];
    for (int k = 0; k < 4; ++k) {
        const __m512i *v = w + 4 * k;
        const __m512i low = _mm512_add_epi32(_mm512_unpacklo_epi32(v[0], v[1]), _mm512_unpackhi_epi32(v[0], v[1]));
        const __m512i high = _mm512_add_epi32(_mm512_unpacklo_epi32(v[2], v[3]), _mm512_unpackhi_epi32(v[2], v[3]));
        fours[k] = _mm512_add_epi32(_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
    }
    const auto fold = [](__m512i a, __m512i b) {
        return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
    };
    return fold(fold(fours[0], fours[1]), fold(fours[2], fours[3]));
}

bool block_sums_f32(const float *row, std::size_t alphabet, std::uint32_t *sums) {
    __mmask16 bad = 0;
    std::size_t i = 0;
    for (; i + kBlock * kBlock <= alphabet; i += kBlock * kBlock, sums += kBlock) {
        __m512i w[kBlock];
        for (std::size_t k = 0; k < kBlock; ++k) w[k] = weights(_mm512_loadu_ps(row + i + kBlock * k), bad);
        _mm512_storeu_si512(sums, sums_of_16(w));
    }
    for (; i < alphabet; i += kBlock) {
        const auto live =
            i + kBlock <= alphabet ? static_cast<__mmask16>(0xffff) : static_cast<__mmask16>((1u << (alphabet - i)) - 1);
        *sums++ = static_cast<std::uint32_t>(_mm512_reduce_add_epi32(weights(_mm512_maskz_loadu_ps(live, row + i), bad)));
    }
    return bad == 0;
}

// Rescale of 16 weights, without the symbols' own slots.
inline __m512i rescaled(__m512i weight, Rescale slots) {
    const __m512i factor = _mm512_set1_epi64(static_cast<std::int64_t>(slots.factor()));
    const __m512i even = _mm512_srli_epi64(_mm512_mul_epu32(weight, factor), 32);
    const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(weight, 32), factor);
    return _mm512_mask_blend_epi32(0xaaaa, even, odd);
}

inline __m512i counting(std::size_t first, int step) {
    const __m512i index = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(first)), _mm512_mullo_epi32(index, _mm512_set1_epi32(step)));
}

std::size_t last_block_vector(const std::uint32_t *before, std::size_t blocks, Rescale slots, std::uint32_t slot) {
    const __m512i wanted = _mm512_set1_epi32(static_cast<int>(slot));
    for (std::size_t b = 0; b < blocks; b += 16) {
        const auto live = blocks - b < 16 ? static_cast<__mmask16>((1u << (blocks - b)) - 1) : static_cast<__mmask16>(0xffff);
        const __m512i start =
            _mm512_add_epi32(rescaled(_mm512_maskz_loadu_epi32(live, before + b), slots), counting(b * kBlock, kBlock));
        const __mmask16 below = _mm512_mask_cmple_epu32_mask(live, start, wanted);
        if (below != 0xffff) return b + static_cast<std::size_t>(__builtin_popcount(below)) - 1;
    }
    return blocks - 1;
}

template <int k>
inline __m512i add_shifted(__m512i x) {
    return _mm512_add_epi32(x, _mm512_alignr_epi32(x, _mm512_setzero_si512(), 16 - k));
}

void edges_f32(const float *block, std::size_t live, std::size_t first, std::uint32_t before, Rescale slots, std::uint32_t *out) {
    __mmask16 bad = 0;
    const auto mask = static_cast<__mmask16>((1u << live) - 1);
    const __m512i w = weights(_mm512_maskz_loadu_ps(mask, block), bad);
    const __m512i upto = add_shifted<8>(add_shifted<4>(add_shifted<2>(add_shifted<1>(w))));
    const __m512i weight = _mm512_add_epi32(_mm512_sub_epi32(upto, w), _mm512_set1_epi32(static_cast<int>(before)));
    _mm512_storeu_si512(out, _mm512_add_epi32(rescaled(weight, slots), counting(first, 1)));
    const auto sum = static_cast<std::uint32_t>(_mm_extract_epi32(_mm512_extracti32x4_epi32(upto, 3), 3));
    out[live] = slots(first + live, before + sum);
}

}  // namespace

template <>
const RowKernels<float> &row_kernels_avx512() {
    static constexpr RowKernels<float> set{block_sums_f32, last_block_vector, edges_f32};
    return set;
}

template <>
const RowKernels<double> &row_kernels_avx512() {
    static constexpr RowKernels<double> set{block_sums<double>, last_block_vector, edges<double>};
    return set;
}

}  // namespace laconic
#endif
