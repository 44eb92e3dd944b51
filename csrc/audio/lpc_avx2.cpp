#if defined(LACONIC_X86)

#include <immintrin.h>

#include "audio/lpc_impl.h"

namespace laconic::audio {
namespace {

template <int Vectors>
void restore_with(const Predictor &predictor, int32_t *x, size_t n) {
    alignas(32) int64_t sums[kMaxOrder];
    start_sums(predictor, x, sums);
    alignas(32) int64_t wide[kMaxOrder];
    for (size_t k = 0; k < kMaxOrder; ++k) wide[k] = predictor.coefficients[k];
    __m256i c[Vectors], s[Vectors + 1];
    for (int v = 0; v < Vectors; ++v) {
        c[v] = _mm256_load_si256(reinterpret_cast<const __m256i *>(wide + 4 * v));
        s[v] = _mm256_load_si256(reinterpret_cast<const __m256i *>(sums + 4 * v));
    }
    // What enters at the far end has seen no sample yet.
    s[Vectors] = _mm256_set1_epi64x(predictor.shift == 0 ? 0 : int64_t{1} << (predictor.shift - 1));
    const int shift = static_cast<int>(predictor.shift);
    for (size_t i = 0; i < n; ++i) {
        const int64_t prediction = _mm_cvtsi128_si64(_mm256_castsi256_si128(s[0])) >> shift;
        const uint32_t sample = static_cast<uint32_t>(x[i]) + static_cast<uint32_t>(prediction);
        x[i] = static_cast<int32_t>(sample);
        const __m256i all = _mm256_set1_epi32(static_cast<int>(sample));
        for (int v = 0; v < Vectors; ++v) {
            const __m256i moved = _mm256_permute4x64_epi64(_mm256_blend_epi32(s[v], s[v + 1], 0x03), 0x39);
            s[v] = _mm256_add_epi64(moved, _mm256_mul_epi32(all, c[v]));
        }
    }
}

void restore_avx2(const Predictor &predictor, int32_t *x, size_t n) {
    if (predictor.order <= 8)
        restore_with<2>(predictor, x, n);
    else if (predictor.order <= 16)
        restore_with<4>(predictor, x, n);
    else
        restore_with<8>(predictor, x, n);
}

}  // namespace

const LpcKernels kLpcAvx2{autocorrelate_here, residual_here, restore_avx2};

}  // namespace laconic::audio

#endif
