#if defined(LACONIC_X86)

#include <immintrin.h>

#include "audio/cascade_impl.h"

namespace laconic::audio {
namespace {

const __m256i *at(const int16_t *p) { return reinterpret_cast<const __m256i *>(p); }

struct Loops {
    static uint32_t dot(const int16_t *w, const int16_t *x, size_t n) {
        __m256i sum = _mm256_setzero_si256();
        for (size_t i = 0; i < n; i += 16)
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_loadu_si256(at(w + i)), _mm256_loadu_si256(at(x + i))));
        __m128i s = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
        s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
        return static_cast<uint32_t>(_mm_cvtsi128_si32(s));
    }
    static void adapt(int16_t *w, const int16_t *x, int16_t gain, size_t n) {
        const __m256i g = _mm256_set1_epi16(gain);
        for (size_t i = 0; i < n; i += 16) {
            const __m256i step = _mm256_mulhrs_epi16(_mm256_loadu_si256(at(x + i)), g);
            _mm256_storeu_si256(reinterpret_cast<__m256i *>(w + i), _mm256_adds_epi16(_mm256_loadu_si256(at(w + i)), step));
        }
    }
};

}  // namespace

const CascadeKernels kCascadeAvx2{predict_with<Loops>, update_with<Loops>};

}  // namespace laconic::audio

#endif
