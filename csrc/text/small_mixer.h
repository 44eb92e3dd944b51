// Eight adaptive probabilities of one decision, mixed in the logistic domain with weights that are the sums of two sets, each
// chosen by a context of its own (as in PAQ7, M. Mahoney 2005). Eight 16-bit numbers are one vector of every processor, so there
// is one kernel and no dispatch. All exactly, shifts being arithmetic:
//
//     x[i]   = stretch(p[i])
//     output = clamp((sum of x[i] a[i] + sum of x[i] b[i]) >> 15, -kLogitMax, kLogitMax)
//     step   = clamp(((bit << 16) - squash(output)) * rate >> 8, -32767, 32767)
//     a[i]   = saturate16(a[i] + (((2 x[i] step >> 16) + 1) >> 1)), b[i] likewise            weights: 16384 = 1.0
//     p[i]   = bit ? p + ((65535 - p) adapt[i] >> 16) : p - (p adapt[i] >> 16)               P(1), 16 bits
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "mixing/logistic.h"

namespace laconic::text {

constexpr size_t kMixed = 8;

// The places of the probabilities that have a say in a decision.
using Places = std::array<uint16_t *, kMixed>;

class SmallMixer {
public:
    // `rate` of the weights; `adapt` of the probabilities, in 1/65536.
    SmallMixer(size_t first_sets, size_t second_sets, int32_t rate, const std::array<uint16_t, kMixed> &adapt)
        : first_(first_sets * kMixed, kFirstWeight), second_(second_sets * kMixed, kFirstWeight), rate_(rate), adapt_(adapt) {}

    // The logit of the mixture.
    int mix(const Places &places, size_t first_set, size_t second_set) {
        a_ = first_.data() + first_set * kMixed;
        b_ = second_.data() + second_set * kMixed;
        output_ = std::clamp(sum(places) >> 15, -mixing::kLogitMax, mixing::kLogitMax);
        return output_;
    }

    // After the bit is known, with the same places.
    void update(const Places &places, int bit) {
        const int32_t error = (bit << mixing::kProbabilityBits) - mixing::squash(output_);
        train(std::clamp(error * rate_ >> 8, -32767, 32767));
        adapt(places, bit);
    }

private:
    static constexpr int16_t kFirstWeight = 16384 * 3 / 16;

    static int16_t logit(uint16_t p) { return static_cast<int16_t>(mixing::stretch(p)); }

#if defined(__SSE2__)
    static __m128i load(const int16_t *w) { return _mm_loadu_si128(reinterpret_cast<const __m128i *>(w)); }

    int32_t sum(const Places &p) {
        // Joined in registers: a vector read of numbers that were just written one by one would wait for them.
        p_ = _mm_setr_epi16(word(p[0]), word(p[1]), word(p[2]), word(p[3]), word(p[4]), word(p[5]), word(p[6]), word(p[7]));
        x_ = _mm_setr_epi16(logit(*p[0]), logit(*p[1]), logit(*p[2]), logit(*p[3]), logit(*p[4]), logit(*p[5]), logit(*p[6]),
                            logit(*p[7]));
        __m128i products = _mm_add_epi32(_mm_madd_epi16(x_, load(a_)), _mm_madd_epi16(x_, load(b_)));
        products = _mm_add_epi32(products, _mm_shuffle_epi32(products, 0x4e));
        return _mm_cvtsi128_si32(_mm_add_epi32(products, _mm_shuffle_epi32(products, 0xb1)));
    }

    void train(int32_t step) {
        const __m128i twice = _mm_mulhi_epi16(_mm_add_epi16(x_, x_), _mm_set1_epi16(static_cast<int16_t>(step)));
        const __m128i change = _mm_srai_epi16(_mm_add_epi16(twice, _mm_set1_epi16(1)), 1);
        _mm_storeu_si128(reinterpret_cast<__m128i *>(a_), _mm_adds_epi16(load(a_), change));
        _mm_storeu_si128(reinterpret_cast<__m128i *>(b_), _mm_adds_epi16(load(b_), change));
    }

    void adapt(const Places &places, int bit) {
        const __m128i flip = _mm_set1_epi16(static_cast<int16_t>(-bit));
        const __m128i rates = _mm_load_si128(reinterpret_cast<const __m128i *>(adapt_.data()));
        __m128i p = _mm_xor_si128(p_, flip);
        p = _mm_xor_si128(_mm_sub_epi16(p, _mm_mulhi_epu16(p, rates)), flip);
        store<0>(places, p), store<1>(places, p), store<2>(places, p), store<3>(places, p);
        store<4>(places, p), store<5>(places, p), store<6>(places, p), store<7>(places, p);
    }

    static int16_t word(const uint16_t *p) { return static_cast<int16_t>(*p); }
    template <int I>
    static void store(const Places &places, __m128i p) {
        *places[I] = static_cast<uint16_t>(_mm_extract_epi16(p, I));
    }

    __m128i p_, x_;
#else
    int32_t sum(const Places &places) {
        int32_t total = 0;
        for (size_t i = 0; i < kMixed; ++i) {
            x_[i] = logit(*places[i]);
            total += x_[i] * a_[i] + x_[i] * b_[i];
        }
        return total;
    }

    void train(int32_t step) {
        for (size_t i = 0; i < kMixed; ++i) {
            const int32_t change = ((2 * x_[i] * step >> 16) + 1) >> 1;
            a_[i] = static_cast<int16_t>(std::clamp(a_[i] + change, -32768, 32767));
            b_[i] = static_cast<int16_t>(std::clamp(b_[i] + change, -32768, 32767));
        }
    }

    void adapt(const Places &places, int bit) {
        const uint32_t flip = bit != 0 ? 0xffff : 0;
        for (size_t i = 0; i < kMixed; ++i) {
            const uint32_t p = *places[i] ^ flip;
            *places[i] = static_cast<uint16_t>((p - (p * adapt_[i] >> 16)) ^ flip);
        }
    }

    std::array<int16_t, kMixed> x_{};
#endif

    std::vector<int16_t> first_, second_;
    int32_t rate_;
    alignas(16) std::array<uint16_t, kMixed> adapt_;
    int16_t *a_ = nullptr, *b_ = nullptr;
    int output_ = 0;
};

}  // namespace laconic::text
