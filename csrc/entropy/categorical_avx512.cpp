#if defined(LACONIC_X86)
#include <immintrin.h>

#include "entropy/categorical_kernel.h"

namespace laconic {
namespace {

inline __m512i weights(__m512 p) {
    return _mm512_cvttps_epi32(_mm512_mul_ps(p, _mm512_set1_ps(static_cast<float>(kRowWeightOne))));
}

inline __mmask16 first_lanes(std::size_t n) { return static_cast<__mmask16>(n < 16 ? (1u << n) - 1 : 0xffff); }

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

template <int k>
inline __m512i add_shifted(__m512i x) {
    return _mm512_add_epi32(x, _mm512_alignr_epi32(x, _mm512_setzero_si512(), 16 - k));
}

// Element i: the sum of elements 0 .. i.
inline __m512i sums_upto(__m512i x) { return add_shifted<8>(add_shifted<4>(add_shifted<2>(add_shifted<1>(x)))); }

inline std::uint32_t last_of(__m512i x) {
    return static_cast<std::uint32_t>(_mm_extract_epi32(_mm512_extracti32x4_epi32(x, 3), 3));
}

bool sum_f32(const float *row, std::size_t alphabet, std::uint32_t *before) {
    // Bits of floats from 0 to kMaxProbability compare as integers, and all others - negative, larger, not a number - lie above.
    __m512i most = _mm512_setzero_si512();
    *before++ = 0;
    std::uint32_t total = 0;
    for (std::size_t i = 0; i < alphabet; i += kBlock * kBlockGroup, before += kBlockGroup) {
        __m512i w[kBlockGroup];
        const auto add = [&](std::size_t k, __m512 p) {
            most = _mm512_max_epu32(most, _mm512_castps_si512(p));
            w[k] = weights(p);
        };
        if (i + kBlock * kBlockGroup <= alphabet) {
            for (std::size_t k = 0; k < kBlockGroup; ++k) add(k, _mm512_loadu_ps(row + i + kBlock * k));
        } else {
            for (std::size_t k = 0; k < kBlockGroup; ++k) {
                const std::size_t first = i + kBlock * k;
                w[k] = _mm512_setzero_si512();
                if (first < alphabet) add(k, _mm512_maskz_loadu_ps(first_lanes(alphabet - first), row + first));
            }
        }
        const __m512i sums = sums_of_16(w);
        // Sixteen that are no larger than a row may be do not pass 2^32, nor with such a total.
        if (_mm512_cmpgt_epu32_mask(sums, _mm512_set1_epi32(kMaxRowWeight)) != 0) return false;
        const __m512i upto = _mm512_add_epi32(sums_upto(sums), _mm512_set1_epi32(static_cast<int>(total)));
        _mm512_storeu_si512(before, upto);
        total = last_of(upto);
        if (total > kMaxRowWeight) return false;
    }
    const __m512i largest = _mm512_set1_epi32(std::bit_cast<int>(static_cast<float>(kMaxProbability)));
    if (_mm512_cmpgt_epu32_mask(most, largest) == 0) [[likely]]
        return true;
    for (std::size_t i = 0; i < alphabet; ++i)  // a negative zero is a probability, too
        if (!(row[i] >= 0 && row[i] <= static_cast<float>(kMaxProbability))) return false;
    return true;
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

std::size_t last_block_vector(const std::uint32_t *before, Rescale slots, std::uint32_t slot) {
    const std::size_t blocks = blocks_of(slots.alphabet());
    const __m512i wanted = _mm512_set1_epi32(static_cast<int>(slot));
    for (std::size_t b = 0; b < blocks; b += 16) {
        const __mmask16 live = first_lanes(blocks - b);
        const __m512i start =
            _mm512_add_epi32(rescaled(_mm512_maskz_loadu_epi32(live, before + b), slots), counting(b * kBlock, kBlock));
        const __mmask16 below = _mm512_mask_cmple_epu32_mask(live, start, wanted);
        if (below != 0xffff) return b + static_cast<std::size_t>(__builtin_popcount(below)) - 1;
    }
    return blocks - 1;
}

// The slots of the symbols of a block: where they start and where they end.
struct Edges {
    __m512i start, end;
    __mmask16 live;

    Edges(const float *row, const std::uint32_t *before, Rescale slots, std::size_t block) {
        const std::size_t first = block * kBlock, left = slots.alphabet() - first;
        live = first_lanes(left);
        const __m512i w = weights(_mm512_maskz_loadu_ps(live, row + first));
        const __m512i after = _mm512_add_epi32(sums_upto(w), _mm512_set1_epi32(static_cast<int>(before[block])));
        start = _mm512_add_epi32(rescaled(_mm512_sub_epi32(after, w), slots), counting(first, 1));
        end = _mm512_add_epi32(rescaled(after, slots), counting(first + 1, 1));
        const auto last = static_cast<__mmask16>(left <= kBlock ? 1u << (left - 1) : 0);
        end = _mm512_mask_mov_epi32(end, last, _mm512_set1_epi32(kTotal));
    }

    Interval of(__mmask16 one) const {
        const int from = _mm_cvtsi128_si32(_mm512_castsi512_si128(_mm512_maskz_compress_epi32(one, start)));
        const int to = _mm_cvtsi128_si32(_mm512_castsi512_si128(_mm512_maskz_compress_epi32(one, end)));
        return {static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to - from)};
    }
};

Interval interval_f32(const float *row, const std::uint32_t *before, Rescale slots, std::size_t symbol) {
    return Edges(row, before, slots, symbol / kBlock).of(static_cast<__mmask16>(1u << symbol % kBlock));
}

std::size_t locate_f32(const float *row, const std::uint32_t *before, Rescale slots, std::uint32_t slot, Interval &out) {
    const std::size_t block = last_block_vector(before, slots, slot);
    const Edges edges(row, before, slots, block);
    const unsigned below = _mm512_mask_cmple_epu32_mask(edges.live, edges.start, _mm512_set1_epi32(static_cast<int>(slot))) | 1u;
    out = edges.of(static_cast<__mmask16>(below ^ below >> 1));
    return block * kBlock + static_cast<std::size_t>(__builtin_popcount(below)) - 1;
}

}  // namespace

template <>
const RowKernels<float> &row_kernels_avx512() {
    static constexpr RowKernels<float> set{sum_f32, interval_f32, locate_f32};
    return set;
}

template <>
const RowKernels<double> &row_kernels_avx512() {
    static constexpr RowKernels<double> set{sum<double>, interval<double>, locate<double, last_block_vector>};
    return set;
}

}  // namespace laconic
#endif
