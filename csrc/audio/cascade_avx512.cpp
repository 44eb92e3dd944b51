#if defined(LACONIC_X86)

#include <immintrin.h>

#include "audio/cascade_impl.h"

namespace laconic::audio {
namespace {

const __m256i *at(const int16_t *p) { return reinterpret_cast<const __m256i *>(p); }

// Filters of an odd number of 16 taps end in half a vector.
struct Loops {
    static uint32_t dot(const int16_t *w, const int16_t *x, size_t n) {
        __m512i wide = _mm512_setzero_si512();
        size_t i = 0;
        for (; i + 32 <= n; i += 32)
            wide = _mm512_add_epi32(wide, _mm512_madd_epi16(_mm512_loadu_si512(w + i), _mm512_loadu_si512(x + i)));
        __m256i sum = _mm256_add_epi32(_mm512_castsi512_si256(wide), _mm512_extracti64x4_epi64(wide, 1));
        if (i < n) sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_loadu_si256(at(w + i)), _mm256_loadu_si256(at(x + i))));
        __m128i s = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
        s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
        return static_cast<uint32_t>(_mm_cvtsi128_si32(s));
    }
    static void adapt(int16_t *w, const int16_t *x, int16_t gain, size_t n) {
        const __m512i g = _mm512_set1_epi16(gain);
        size_t i = 0;
        for (; i + 32 <= n; i += 32) {
            const __m512i step = _mm512_mulhrs_epi16(_mm512_loadu_si512(x + i), g);
            _mm512_storeu_si512(w + i, _mm512_adds_epi16(_mm512_loadu_si512(w + i), step));
        }
        if (i < n) {
            const __m256i step = _mm256_mulhrs_epi16(_mm256_loadu_si256(at(x + i)), _mm512_castsi512_si256(g));
            _mm256_storeu_si256(reinterpret_cast<__m256i *>(w + i), _mm256_adds_epi16(_mm256_loadu_si256(at(w + i)), step));
        }
    }
};

}  // namespace

const CascadeKernels kCascadeAvx512{predict_with<Loops>, update_with<Loops>};

}  // namespace laconic::audio

#endif
