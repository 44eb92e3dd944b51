// The vector operations of the mixing engine, for each instruction set, all with the same results bit for bit.
//
//     dot(x, w)          sum over pairs of (x[i] w[i] + x[i+1] w[i+1]) >> 8; shifts are arithmetic
//     train(x, w, step)  w[i] = saturate16(w[i] + ((x[i] step + 2^14) >> 15))
//     mix(x, w[])        out[s] = clamp(dot(x, w[s]) >> 6) for several weight vectors
//     logits(words, x)   of adaptive probabilities (probability.h): x[l] = logit_of(p[l]), x[L + l] = (p[l] - 32768) >> 5
//     centred(words, x)  the second half of that alone, where the first was looked up one by one
//     adapt(words, ...)  adaptive probabilities after the bit; `Marked`: the marks stay
//     marked(words, x, out)  out[l] = words[l] has the mark ? x[l] : 0
//
// Weights and inputs are int16; counts of both are multiples of 16, vectors are aligned to 64 bytes. No sum leaves 32 bits.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#if defined(LACONIC_X86)
#include <immintrin.h>
#endif

#include "mixing/logit.h"
#include "mixing/probability.h"

namespace laconic::mixing {

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

    template <size_t Inputs, size_t Sets>
    static void mix(const int16_t *x, const int16_t *const *w, int16_t *out) {
        for (size_t s = 0; s < Sets; ++s)
            out[s] = static_cast<int16_t>(std::clamp(dot<Inputs>(x, w[s]) >> 6, -kLogitBound, kLogitBound));
    }

    static int32_t dot_eight(const int16_t *x, const int16_t *w) { return dot<8>(x, w); }
    static void train_eight(const int16_t *x, int16_t *w, int32_t step) { train<8>(x, w, step); }

    template <size_t Lanes>
    static void logits(const uint32_t *words, int16_t *x) {
        for (size_t l = 0; l < Lanes; ++l) x[l] = static_cast<int16_t>(logit_of(words[l] >> 16));
        centred<Lanes>(words, x + Lanes);
    }

    template <size_t Lanes>
    static void centred(const uint32_t *words, int16_t *x) {
        for (size_t l = 0; l < Lanes; ++l) x[l] = static_cast<int16_t>((static_cast<int>(words[l] >> 16) - 32768) >> 5);
    }

    template <size_t Lanes>
    static void marked(const uint32_t *words, const int16_t *x, int16_t *out) {
        for (size_t l = 0; l < Lanes; ++l) out[l] = words[l] & kMark ? x[l] : int16_t{0};
    }

    template <size_t Lanes, bool Marked = false>
    static void adapt(uint32_t *words, const uint32_t *limits, int bit) {
        for (size_t l = 0; l < Lanes; ++l)
            words[l] = Marked ? adapted_marked(words[l], bit, limits[l]) : adapted(words[l], bit, limits[l]);
    }
};

namespace detail {

// kRates by division of floats. 2^17 / (2 n + 3) is at least 2^-17 of itself away from the next integer, so that rounding to 24
// bits never reaches it.
constexpr bool division_gives_rates() {
    for (int n = 0; n < 1024; ++n)
        if (std::min(static_cast<int>(131072.0f / static_cast<float>(2 * n + 3)), 32767) != kRates.before_of[n + 1]) return false;
    return true;
}
static_assert(division_gives_rates());

}  // namespace detail

#if defined(LACONIC_X86)
// Compiled by attribute, to be inlined into callers that have the instruction set too.
struct Avx2Kernel {
    template <size_t Inputs>
    [[gnu::target("avx2")]] static __m256i sums(const int16_t *x, const int16_t *w) {
        __m256i sum = _mm256_setzero_si256();
        for (size_t i = 0; i < Inputs; i += 16) {
            const __m256i a = _mm256_load_si256(reinterpret_cast<const __m256i *>(x + i));
            const __m256i b = _mm256_load_si256(reinterpret_cast<const __m256i *>(w + i));
            sum = _mm256_add_epi32(sum, _mm256_srai_epi32(_mm256_madd_epi16(a, b), 8));
        }
        return sum;
    }

    template <size_t Inputs, size_t Sets>
    [[gnu::target("avx2")]] static void mix(const int16_t *x, const int16_t *const *w, int16_t *out) {
        for (size_t s = 0; s < Sets; s += 8) {
            const __m128i first = four<Inputs>(x, w + s);
            __m128i second = _mm_setzero_si128();
            if constexpr (Sets % 8 == 0) second = four<Inputs>(x, w + s + 4);
            _mm_store_si128(reinterpret_cast<__m128i *>(out + s), _mm_packs_epi32(bounded(first), bounded(second)));
        }
    }

    template <size_t Inputs>
    [[gnu::target("avx2")]] static void train(const int16_t *x, int16_t *w, int32_t step) {
        const __m256i s = _mm256_set1_epi16(static_cast<int16_t>(step));
        for (size_t i = 0; i < Inputs; i += 16) {
            const __m256i a = _mm256_load_si256(reinterpret_cast<const __m256i *>(x + i));
            __m256i *const at = reinterpret_cast<__m256i *>(w + i);
            _mm256_store_si256(at, _mm256_adds_epi16(_mm256_load_si256(at), _mm256_mulhrs_epi16(a, s)));
        }
    }

    [[gnu::target("avx2")]] static int32_t dot_eight(const int16_t *x, const int16_t *w) {
        const __m128i products = _mm_madd_epi16(_mm_load_si128(reinterpret_cast<const __m128i *>(x)),
                                                _mm_load_si128(reinterpret_cast<const __m128i *>(w)));
        const __m128i four = _mm_srai_epi32(products, 8);
        const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
        return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
    }
    [[gnu::target("avx2")]] static void train_eight(const int16_t *x, int16_t *w, int32_t step) {
        __m128i *const at = reinterpret_cast<__m128i *>(w);
        const __m128i moves =
            _mm_mulhrs_epi16(_mm_load_si128(reinterpret_cast<const __m128i *>(x)), _mm_set1_epi16(static_cast<int16_t>(step)));
        _mm_store_si128(at, _mm_adds_epi16(_mm_load_si128(at), moves));
    }

    template <size_t Lanes>
    [[gnu::target("avx2")]] static void logits(const uint32_t *words, int16_t *x) {
        for (size_t l = 0; l < Lanes; l += 16) {
            const __m256i a = _mm256_load_si256(reinterpret_cast<const __m256i *>(words + l));
            const __m256i b = _mm256_load_si256(reinterpret_cast<const __m256i *>(words + l + 8));
            _mm256_store_si256(reinterpret_cast<__m256i *>(x + l), packed(stretched(a), stretched(b)));
        }
        centred<Lanes>(words, x + Lanes);
    }

    template <size_t Lanes>
    [[gnu::target("avx2")]] static void centred(const uint32_t *words, int16_t *x) {
        for (size_t l = 0; l < Lanes; l += 16) {
            const __m256i a = _mm256_load_si256(reinterpret_cast<const __m256i *>(words + l));
            const __m256i b = _mm256_load_si256(reinterpret_cast<const __m256i *>(words + l + 8));
            _mm256_store_si256(reinterpret_cast<__m256i *>(x + l), packed(from_middle(a), from_middle(b)));
        }
    }

    template <size_t Lanes>
    [[gnu::target("avx2")]] static void marked(const uint32_t *words, const int16_t *x, int16_t *out) {
        for (size_t l = 0; l < Lanes; l += 16) {
            const __m256i all = packed(mark(words + l), mark(words + l + 8));
            _mm256_store_si256(reinterpret_cast<__m256i *>(out + l),
                               _mm256_and_si256(all, _mm256_load_si256(reinterpret_cast<const __m256i *>(x + l))));
        }
    }

    template <size_t Lanes, bool Marked = false>
    [[gnu::target("avx2")]] static void adapt(uint32_t *words, const uint32_t *limits, int bit) {
        const __m256i target = _mm256_set1_epi32(-bit & ((1 << 22) - 1));
        for (size_t l = 0; l < Lanes; l += 8) {
            __m256i *const at = reinterpret_cast<__m256i *>(words + l);
            const __m256i v = _mm256_load_si256(at);
            const __m256i n = _mm256_and_si256(v, _mm256_set1_epi32(1023)), p = _mm256_srli_epi32(v, 10);
            const __m256i rate = rates(n);
            const __m256i way = _mm256_srai_epi32(_mm256_sub_epi32(target, p), 6);
            const __m256i moved = _mm256_add_epi32(p, _mm256_srai_epi32(_mm256_mullo_epi32(way, rate), 10));
            const __m256i limit = _mm256_load_si256(reinterpret_cast<const __m256i *>(limits + l));
            const __m256i count = _mm256_sub_epi32(n, _mm256_cmpgt_epi32(limit, n));
            const __m256i after = _mm256_or_si256(_mm256_slli_epi32(moved, 10), count);
            if constexpr (Marked) {
                const __m256i kMarks = _mm256_set1_epi32(kMark);
                _mm256_store_si256(at, _mm256_or_si256(_mm256_andnot_si256(kMarks, after), _mm256_and_si256(kMarks, v)));
            } else {
                _mm256_store_si256(at, after);
            }
        }
    }

private:
    // kRates, as division_gives_rates() says.
    [[gnu::target("avx2")]] static __m256i rates(__m256i n) {
        const __m256i divisor = _mm256_add_epi32(_mm256_add_epi32(n, n), _mm256_set1_epi32(3));
        const __m256 quotient = _mm256_div_ps(_mm256_set1_ps(131072.0f), _mm256_cvtepi32_ps(divisor));
        return _mm256_min_epi32(_mm256_cvttps_epi32(quotient), _mm256_set1_epi32(32767));
    }
    // All bits of a word set where it has the mark.
    [[gnu::target("avx2")]] static __m256i mark(const uint32_t *words) {
        return _mm256_srai_epi32(_mm256_slli_epi32(_mm256_load_si256(reinterpret_cast<const __m256i *>(words)), 21), 31);
    }
    [[gnu::target("avx2")]] static __m256i stretched(__m256i words) {
        return _mm256_srai_epi32(
            _mm256_i32gather_epi32(reinterpret_cast<const int *>(detail::kBeforeLogits.data()), _mm256_srli_epi32(words, 20), 2),
            16);
    }
    [[gnu::target("avx2")]] static __m256i from_middle(__m256i words) {
        return _mm256_srai_epi32(_mm256_sub_epi32(_mm256_srli_epi32(words, 16), _mm256_set1_epi32(32768)), 5);
    }
    [[gnu::target("avx2")]] static __m256i packed(__m256i a, __m256i b) {
        return _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
    }
    template <size_t Inputs>
    [[gnu::target("avx2")]] static __m128i four(const int16_t *x, const int16_t *const *w) {
        const __m256i two = _mm256_hadd_epi32(_mm256_hadd_epi32(sums<Inputs>(x, w[0]), sums<Inputs>(x, w[1])),
                                              _mm256_hadd_epi32(sums<Inputs>(x, w[2]), sums<Inputs>(x, w[3])));
        return _mm_add_epi32(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1));
    }
    [[gnu::target("avx2")]] static __m128i bounded(__m128i sums) {
        const __m128i logits = _mm_srai_epi32(sums, 6);
        return _mm_max_epi32(_mm_min_epi32(logits, _mm_set1_epi32(kLogitBound)), _mm_set1_epi32(-kLogitBound));
    }
};
#endif

}  // namespace laconic::mixing
