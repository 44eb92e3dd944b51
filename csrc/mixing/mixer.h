// A mixer: a weighted sum of logits, its weights trained online by the coding error (PAQ7, M. Mahoney 2005).
//
// Exactly: inputs are int16 in [-2047, 2047], weights int16 with 16384 = 1.0.
//     output = clamp(sum over pairs of ((x[i] w[i] + x[i+1] w[i+1]) >> 8) >> 6, -2047, 2047)         shifts are arithmetic
//     step   = clamp(((bit << 16) - squash(output)) * rate >> 10, -32767, 32767)
//     w[i]   = saturate16(w[i] + ((x[i] * step + 2^14) >> 15))
// No sum leaves 32 bits, so kernels for every instruction set give the same numbers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>
#if defined(LACONIC_X86)
#include <immintrin.h>
#endif

#include "mixing/logistic.h"

namespace laconic::mixing {

constexpr int16_t kWeightOne = 16384;

struct ScalarKernel {
    template <size_t Inputs>
    static int32_t dot(const int16_t *x, const int16_t *w) {
        int32_t sum = 0;
        for (size_t i = 0; i < Inputs; i += 2) sum += (x[i] * w[i] + x[i + 1] * w[i + 1]) >> 8;
        return sum;
    }

    template <size_t Inputs>
    static void train(const int16_t *x, int16_t *w, int32_t step) {
        for (size_t i = 0; i < Inputs; ++i)
            w[i] = static_cast<int16_t>(std::clamp(w[i] + ((x[i] * step + (1 << 14)) >> 15), -32768, 32767));
    }
};

#if defined(LACONIC_X86)
// Compiled for AVX2 by attribute, to be inlined into callers that have it too.
struct Avx2Kernel {
    template <size_t Inputs>
    [[gnu::target("avx2")]] static int32_t dot(const int16_t *x, const int16_t *w) {
        __m256i sum = _mm256_setzero_si256();
        for (size_t i = 0; i < Inputs; i += 16) {
            const __m256i a = _mm256_load_si256(reinterpret_cast<const __m256i *>(x + i));
            const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(w + i));
            sum = _mm256_add_epi32(sum, _mm256_srai_epi32(_mm256_madd_epi16(a, b), 8));
        }
        __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
        return _mm_cvtsi128_si32(half);
    }

    template <size_t Inputs>
    [[gnu::target("avx2")]] static void train(const int16_t *x, int16_t *w, int32_t step) {
        const __m256i s = _mm256_set1_epi16(static_cast<int16_t>(step));
        for (size_t i = 0; i < Inputs; i += 16) {
            const __m256i a = _mm256_load_si256(reinterpret_cast<const __m256i *>(x + i));
            __m256i *const at = reinterpret_cast<__m256i *>(w + i);
            _mm256_storeu_si256(at, _mm256_adds_epi16(_mm256_loadu_si256(at), _mm256_mulhrs_epi16(a, s)));
        }
    }
};
#endif

template <size_t Inputs, class Kernel>
class Mixer {
    static_assert(Inputs % 16 == 0, "pad the inputs with zeros");

public:
    Mixer(size_t sets, int16_t weight) : weights_(sets * Inputs, weight) {}

    // The logit that weight set `set` gives to `inputs` (32-byte aligned).
    int mix(const int16_t *inputs, size_t set) {
        chosen_ = weights_.data() + set * Inputs;
        output_ = std::clamp(Kernel::template dot<Inputs>(inputs, chosen_) >> 6, -kLogitMax, kLogitMax);
        return output_;
    }

    // After the bit is known.
    void train(const int16_t *inputs, int bit, int32_t rate) {
        const int32_t error = (bit << kProbabilityBits) - squash(output_);
        Kernel::template train<Inputs>(inputs, chosen_, std::clamp((error * rate) >> 10, -32767, 32767));
    }

private:
    std::vector<int16_t> weights_;
    int16_t *chosen_ = nullptr;
    int output_ = 0;
};

}  // namespace laconic::mixing
