// The eight votes that BitMixer weighs for one decision: from estimates to a probability, and what the decision teaches them.
//
// Exactly, with e an estimate (probability in the high 22 bits, count in the low 10) and w a weight, 65536 = 1.0:
//     vote   x = stretch[e >> 20] * confidence[count] >> 8              shifts are arithmetic
//     output = sum of ((x * w) >> 4) >> 12, then clamped to a logit
//     w     += (x * error + 2^14) >> 15, clamped to [-kMaxWeight, kMaxWeight]
//     p     += ((target - p) >> 7) * rate[count] >> 8                   p, target: 22 bits
// No product and no sum leaves 32 bits, so kernels for every instruction set give the same numbers.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#if defined(LACONIC_X86)
#include <immintrin.h>
#endif

namespace laconic::logs {

// ln(p / (1 - p)) in 1/256, |x| < 2048, and back to 16-bit probabilities.
struct Logistic {
    std::array<uint16_t, 4096> squash;  // [x + 2048] = 65536 / (1 + e^(-x / 256)), 1 to 65535
    std::array<int32_t, 4096> stretch;  // [p / 16]
    Logistic();
};
extern const Logistic kLogistic;

// A probability in the high 22 bits and how often it was seen in the low 10. It moves by 1 / (count + 1.5), at least 1 / limit.
using Estimate = uint32_t;
constexpr Estimate kUnseen = Estimate{1} << 31;
constexpr int32_t kTop = 0x3fffff;  // the highest probability

// [count] = rate << 16 | confidence. Rate: 1 / (count + 1.5) in 1/32768. Confidence: how far an estimate's vote counts, in 1/256.
struct Adaptation {
    std::array<uint32_t, 256> by_count;
    Adaptation();
};
extern const Adaptation kAdaptation;

constexpr size_t kVotes = 8;  // estimates' votes, then zeros, then one that is given
constexpr int32_t kMaxWeight = (1 << 19) - 1;
using Weights = std::array<int32_t, kVotes>;

inline void update(Estimate &e, bool bit, uint32_t limit) {
    const uint32_t count = e & 1023u;
    const auto p = static_cast<int32_t>(e >> 10);
    const int32_t step = (((bit ? kTop : 0) - p) >> 7) * static_cast<int32_t>(kAdaptation.by_count[count & 255u] >> 16);
    e = static_cast<uint32_t>(p + (step >> 8)) << 10 | (count < limit ? count + 1 : count);
}

// at[0, kEstimates): the estimates.
struct ScalarVotes {
    int32_t x[kVotes] = {};

    template <size_t kEstimates>
    int32_t mix(Estimate *const *at, int32_t given, const Weights &w) {
        for (size_t k = 0; k < kEstimates; ++k) {
            const Estimate e = *at[k];
            x[k] = kLogistic.stretch[e >> 20] * static_cast<int32_t>(kAdaptation.by_count[e & 255u] & 0xffff) >> 8;
        }
        x[kVotes - 1] = given;
        int32_t sum = 0;
        for (size_t k = 0; k < kVotes; ++k) sum += x[k] * w[k] >> 4;
        return sum >> 12;
    }

    template <size_t kEstimates>
    void train(Estimate *const *at, Weights &w, bool bit, int32_t error, uint32_t limit) {
        for (size_t k = 0; k < kVotes; ++k) w[k] = std::clamp(w[k] + ((x[k] * error + (1 << 14)) >> 15), -kMaxWeight, kMaxWeight);
        for (size_t k = 0; k < kEstimates; ++k) update(*at[k], bit, limit);
    }
};

#if defined(LACONIC_X86)
// Compiled for AVX2 by attribute, to be inlined into callers that have it too.
struct Avx2Votes {
    __m256i e, x, by_count;

    template <size_t kEstimates>
    [[gnu::target("avx2")]] int32_t mix(Estimate *const *at, int32_t given, const Weights &w) {
        static_assert(kEstimates < kVotes);
        const auto load = [at](size_t k) { return k < kEstimates ? static_cast<int>(*at[k]) : static_cast<int>(kUnseen); };
        e = _mm256_setr_epi32(load(0), load(1), load(2), load(3), load(4), load(5), load(6), static_cast<int>(kUnseen));
        const __m256i logit = _mm256_i32gather_epi32(kLogistic.stretch.data(), _mm256_srli_epi32(e, 20), 4);
        by_count = _mm256_i32gather_epi32(reinterpret_cast<const int *>(kAdaptation.by_count.data()),
                                          _mm256_and_si256(e, _mm256_set1_epi32(255)), 4);
        // Both factors fit 16 bits, and the second has nothing in its high half.
        const __m256i confidence = _mm256_and_si256(by_count, _mm256_set1_epi32(0xffff));
        x = _mm256_srai_epi32(_mm256_madd_epi16(logit, confidence), 8);
        x = _mm256_blend_epi32(x, _mm256_set1_epi32(given), 0x80);
        const __m256i weights = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(w.data()));
        const __m256i products = _mm256_srai_epi32(_mm256_mullo_epi32(x, weights), 4);
        __m128i half = _mm_add_epi32(_mm256_castsi256_si128(products), _mm256_extracti128_si256(products, 1));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
        return _mm_cvtsi128_si32(half) >> 12;
    }

    template <size_t kEstimates>
    [[gnu::target("avx2")]] void train(Estimate *const *at, Weights &w, bool bit, int32_t error, uint32_t limit) {
        __m256i *const place = reinterpret_cast<__m256i *>(w.data());
        const __m256i low_half = _mm256_set1_epi32(0xffff);
        __m256i step = _mm256_madd_epi16(x, _mm256_and_si256(_mm256_set1_epi32(error), low_half));
        step = _mm256_srai_epi32(_mm256_add_epi32(step, _mm256_set1_epi32(1 << 14)), 15);
        __m256i weights = _mm256_add_epi32(_mm256_loadu_si256(place), step);
        weights = _mm256_min_epi32(weights, _mm256_set1_epi32(kMaxWeight));
        _mm256_storeu_si256(place, _mm256_max_epi32(weights, _mm256_set1_epi32(-kMaxWeight)));

        const __m256i p = _mm256_srli_epi32(e, 10), count = _mm256_and_si256(e, _mm256_set1_epi32(1023));
        const __m256i away = _mm256_srai_epi32(_mm256_sub_epi32(_mm256_set1_epi32(bit ? kTop : 0), p), 7);
        const __m256i by = _mm256_srai_epi32(_mm256_madd_epi16(away, _mm256_srli_epi32(by_count, 16)), 8);
        const __m256i seen = _mm256_sub_epi32(count, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(limit)), count));
        const __m256i now = _mm256_or_si256(_mm256_slli_epi32(_mm256_add_epi32(p, by), 10), seen);
        alignas(32) std::array<Estimate, kVotes> out;
        _mm256_store_si256(reinterpret_cast<__m256i *>(out.data()), now);
        for (size_t k = 0; k < kEstimates; ++k) *at[k] = out[k];
    }
};
#endif

}  // namespace laconic::logs
