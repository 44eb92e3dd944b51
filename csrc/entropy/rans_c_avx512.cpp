#if defined(LACONIC_X86)
#include <immintrin.h>

#include "entropy/rans_c_kernels.h"

namespace laconic::rans_c {
namespace {

// floor(x / d) of 64-bit x < 2^63 and d <= 2^24 where the quotient is below 2^39: the rounded quotient of doubles is off by less
// than one (relative error below 2^-51), and the remainder shows which way.
inline __m512i divide(__m512i x, __m512i d) {
    const __m512i q = _mm512_cvttpd_epi64(_mm512_div_pd(_mm512_cvtepi64_pd(x), _mm512_cvtepi64_pd(d)));
    const __m512i r = _mm512_sub_epi64(x, _mm512_mullo_epi64(q, d));
    const __mmask8 high = _mm512_cmplt_epi64_mask(r, _mm512_setzero_si512());
    const __mmask8 low = _mm512_cmpge_epi64_mask(r, d);
    const __m512i one = _mm512_set1_epi64(1);
    return _mm512_mask_add_epi64(_mm512_mask_sub_epi64(q, high, q, one), low, q, one);
}

template <int vectors>
std::uint32_t *push_rows_of(std::uint64_t *states, const Interval *intervals, std::size_t n, std::uint32_t *out) {
    constexpr int lanes = 8 * vectors;
    __m512i x[vectors];
    for (int k = 0; k < vectors; ++k) x[k] = _mm512_loadu_si512(states + 8 * k);
    const __m512i low32 = _mm512_set1_epi64(0xffffffff);
    for (std::size_t row = n; row > 0; row -= lanes) {
        for (int k = vectors; k-- > 0;) {
            const __m512i v = _mm512_loadu_si512(intervals + row - lanes + 8 * k);
            const __m512i start = _mm512_and_si512(v, low32);
            const __m512i freq = _mm512_srli_epi64(v, 32);
            const __mmask8 full = _mm512_cmpge_epu64_mask(x[k], _mm512_slli_epi64(freq, 39));
            // Lanes emit in descending order towards lower addresses, so the words of a vector stand in ascending order.
            const auto count = static_cast<unsigned>(__builtin_popcount(full));
            out -= count;
            const __m256i words = _mm256_maskz_compress_epi32(full, _mm512_cvtepi64_epi32(x[k]));
            _mm256_mask_storeu_epi32(out, static_cast<__mmask8>((1u << count) - 1), words);
            x[k] = _mm512_mask_srli_epi64(x[k], full, x[k], 32);
            const __m512i q = divide(x[k], freq);
            const __m512i r = _mm512_sub_epi64(x[k], _mm512_mullo_epi64(q, freq));
            x[k] = _mm512_add_epi64(_mm512_slli_epi64(q, kProbBits), _mm512_add_epi64(r, start));
        }
    }
    for (int k = 0; k < vectors; ++k) _mm512_storeu_si512(states + 8 * k, x[k]);
    return out;
}

template <int vectors>
const std::uint32_t *pop_row_of(std::uint64_t *states, const Interval *intervals, const std::uint32_t *words) {
    const __m512i low32 = _mm512_set1_epi64(0xffffffff);
    for (int k = 0; k < vectors; ++k) {
        const __m512i v = _mm512_loadu_si512(intervals + 8 * k);
        __m512i x = _mm512_loadu_si512(states + 8 * k);
        const __m512i inside = _mm512_sub_epi64(_mm512_and_si512(x, _mm512_set1_epi64(kTotal - 1)), _mm512_and_si512(v, low32));
        x = _mm512_add_epi64(_mm512_mullo_epi64(_mm512_srli_epi64(v, 32), _mm512_srli_epi64(x, kProbBits)), inside);
        const __mmask8 low = _mm512_cmplt_epu64_mask(x, _mm512_set1_epi64(std::int64_t{1} << 31));
        const __m256i next = _mm256_maskz_expand_epi32(low, _mm256_loadu_si256(reinterpret_cast<const __m256i *>(words)));
        x = _mm512_mask_or_epi64(x, low, _mm512_slli_epi64(x, 32), _mm512_cvtepu32_epi64(next));
        words += __builtin_popcount(low);
        _mm512_storeu_si512(states + 8 * k, x);
    }
    return words;
}

template <int vectors>
void slots_of(const std::uint64_t *states, std::uint32_t *slots) {
    for (int k = 0; k < vectors; ++k) {
        const __m256i x = _mm512_cvtepi64_epi32(_mm512_loadu_si512(states + 8 * k));
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(slots + 8 * k), _mm256_and_si256(x, _mm256_set1_epi32(kTotal - 1)));
    }
}

std::uint32_t *push_rows(std::uint64_t *states, int lanes, const Interval *intervals, std::size_t n, std::uint32_t *out) {
    switch (lanes) {
        case 8:
            return push_rows_of<1>(states, intervals, n, out);
        case 16:
            return push_rows_of<2>(states, intervals, n, out);
        case 32:
            return push_rows_of<4>(states, intervals, n, out);
        default:
            return scalar_kernels().push_rows(states, lanes, intervals, n, out);
    }
}

const std::uint32_t *pop_row(std::uint64_t *states, int lanes, const Interval *intervals, const std::uint32_t *words) {
    switch (lanes) {
        case 8:
            return pop_row_of<1>(states, intervals, words);
        case 16:
            return pop_row_of<2>(states, intervals, words);
        case 32:
            return pop_row_of<4>(states, intervals, words);
        default:
            return scalar_kernels().pop_row(states, lanes, intervals, words);
    }
}

void slots(const std::uint64_t *states, int lanes, std::uint32_t *out) {
    switch (lanes) {
        case 8:
            return slots_of<1>(states, out);
        case 16:
            return slots_of<2>(states, out);
        case 32:
            return slots_of<4>(states, out);
        default:
            return scalar_kernels().slots(states, lanes, out);
    }
}

}  // namespace

const Kernels &avx512_kernels() {
    static constexpr Kernels set{push_rows, pop_row, slots};
    return set;
}

}  // namespace laconic::rans_c
#endif
