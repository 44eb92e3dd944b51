#if defined(LACONIC_X86)
#include <immintrin.h>

#include <algorithm>

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

// Element i: the sum of elements 0 .. i.
inline __m256i sums_upto(__m256i x) {
    x = _mm256_add_epi32(x, _mm256_slli_si256(x, 4));
    x = _mm256_add_epi32(x, _mm256_slli_si256(x, 8));
    const __m256i low = _mm256_permutevar8x32_epi32(x, _mm256_set1_epi32(3));
    return _mm256_add_epi32(x, _mm256_blend_epi32(_mm256_setzero_si256(), low, 0xf0));
}

// Rescale of 8 weights, without the symbols' own slots.
inline __m256i rescaled(__m256i weight, Rescale slots) {
    const __m256i factor = _mm256_set1_epi64x(static_cast<std::int64_t>(slots.factor()));
    const __m256i even = _mm256_srli_epi64(_mm256_mul_epu32(weight, factor), 32);
    return _mm256_blend_epi32(even, _mm256_mul_epu32(_mm256_srli_epi64(weight, 32), factor), 0xaa);
}

// edges() of categorical_kernel.h for a whole block: where its symbols' slots end.
struct BlockEdges {
    std::uint32_t at[kBlock + 1];
    __m256i end[2];

    BlockEdges(const float *row, const std::uint32_t *before, Rescale slots, std::size_t block) {
        const std::size_t first = block * kBlock;
        __m256i weight = _mm256_set1_epi32(static_cast<int>(before[block])), most = _mm256_setzero_si256();
        at[0] = slots(first, before[block]);
        for (int k = 0; k < 2; ++k) {
            const __m256i upto = sums_upto(weights(_mm256_loadu_ps(row + first + 8 * static_cast<std::size_t>(k)), most));
            const __m256i own =
                _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(first) + 8 * k), _mm256_setr_epi32(1, 2, 3, 4, 5, 6, 7, 8));
            end[k] = _mm256_add_epi32(rescaled(_mm256_add_epi32(weight, upto), slots), own);
            weight = _mm256_add_epi32(weight, _mm256_permutevar8x32_epi32(upto, _mm256_set1_epi32(7)));
            _mm256_storeu_si256(reinterpret_cast<__m256i *>(at + 1 + 8 * k), end[k]);
        }
        if (first + kBlock == slots.alphabet()) at[kBlock] = kTotal;
    }

    Interval of(std::size_t k) const { return {at[k], at[k + 1] - at[k]}; }
};

bool whole(Rescale slots, std::size_t block) { return (block + 1) * kBlock <= slots.alphabet(); }

Interval interval_f32(const float *row, const std::uint32_t *before, Rescale slots, std::size_t symbol) {
    if (!whole(slots, symbol / kBlock)) return interval(row, before, slots, symbol);
    return BlockEdges(row, before, slots, symbol / kBlock).of(symbol % kBlock);
}

std::size_t locate_f32(const float *row, const std::uint32_t *before, Rescale slots, std::uint32_t slot, Interval &out) {
    const std::size_t block = last_block(before, slots, slot);
    if (!whole(slots, block)) return locate_in(row, before, slots, slot, block, out);
    const BlockEdges edges(row, before, slots, block);
    const __m256i wanted = _mm256_set1_epi32(static_cast<int>(slot));
    unsigned after = 0;  // symbols whose slots end beyond the slot
    for (const __m256i end : edges.end)
        after += _mm_popcnt_u32(static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(end, wanted)))));
    const std::size_t k = std::min<std::size_t>(kBlock - after, kBlock - 1);
    out = edges.of(k);
    return block * kBlock + k;
}

}  // namespace

template <>
const RowKernels<float> &row_kernels_avx2() {
    static constexpr RowKernels<float> set{sum_f32, interval_f32, locate_f32};
    return set;
}

template <>
const RowKernels<double> &row_kernels_avx2() {
    static constexpr RowKernels<double> set{sum<double>, interval<double>, locate<double>};
    return set;
}

}  // namespace laconic
#endif
