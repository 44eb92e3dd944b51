#if defined(LACONIC_X86)

#include <immintrin.h>

#include "audio/lpc_impl.h"

namespace laconic::audio {
namespace {

template <int Vectors>
void restore_with(const Predictor &predictor, int32_t *x, size_t n) {
    alignas(64) int64_t sums[kMaxOrder];
    start_sums(predictor, x, sums);
    alignas(64) int64_t wide[kMaxOrder];
    for (size_t k = 0; k < kMaxOrder; ++k) wide[k] = predictor.coefficients[k];
    const __m512i rounding = _mm512_set1_epi64(predictor.shift == 0 ? 0 : int64_t{1} << (predictor.shift - 1));
    __m512i c[Vectors], s[Vectors + 1];
    for (int v = 0; v < Vectors; ++v) {
        c[v] = _mm512_load_si512(wide + 8 * v);
        s[v] = _mm512_load_si512(sums + 8 * v);
    }
    // What enters at the far end has seen no sample yet.
    s[Vectors] = rounding;
    const int shift = static_cast<int>(predictor.shift);
    for (size_t i = 0; i < n; ++i) {
        const int64_t prediction = _mm_cvtsi128_si64(_mm512_castsi512_si128(s[0])) >> shift;
        const uint32_t sample = static_cast<uint32_t>(x[i]) + static_cast<uint32_t>(prediction);
        x[i] = static_cast<int32_t>(sample);
        const __m512i all = _mm512_set1_epi32(static_cast<int>(sample));
        for (int v = 0; v < Vectors; ++v)
            s[v] = _mm512_add_epi64(_mm512_alignr_epi64(s[v + 1], s[v], 1), _mm512_mul_epi32(all, c[v]));
    }
}

void restore_avx512(const Predictor &predictor, int32_t *x, size_t n) {
    if (predictor.order <= 8)
        restore_with<1>(predictor, x, n);
    else if (predictor.order <= 16)
        restore_with<2>(predictor, x, n);
    else if (predictor.order <= 24)
        restore_with<3>(predictor, x, n);
    else
        restore_with<4>(predictor, x, n);
}

}  // namespace

const LpcKernels kLpcAvx512{autocorrelate_here, residual_here, restore_avx512};

}  // namespace laconic::audio

#endif
