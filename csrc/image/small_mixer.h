// A mixer of eight inputs (csrc/mixing/mixer.h), summed by plain multiplications: a vector load would wait for eight small
// stores.
//
// Exactly: output = clamp(sum of x[i] w[i] >> 14, -2047, 2047) with inputs in [-2047, 2047] and int16 weights, 16384 = 1.0.
//     step = clamp(((bit << 16) - squash(output)) * rate >> 10, -32767, 32767)
//     w[i] = saturate16(w[i] + ((x[i] * step + 2^14) >> 15))
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mixing/logistic.h"
#include "mixing/mixer.h"

namespace laconic::image {

// Trains eight weights.
struct ScalarTrain {
    static void run(const int16_t *x, int16_t *w, int32_t step) { mixing::ScalarKernel::train<8>(x, w, step); }
};

#if defined(LACONIC_X86)
struct VectorTrain {
    [[gnu::target("avx2")]] static void run(const int16_t *x, int16_t *w, int32_t step) {
        const __m128i moved =
            _mm_mulhrs_epi16(_mm_load_si128(reinterpret_cast<const __m128i *>(x)), _mm_set1_epi16(static_cast<int16_t>(step)));
        auto *const at = reinterpret_cast<__m128i *>(w);
        _mm_storeu_si128(at, _mm_adds_epi16(_mm_loadu_si128(at), moved));
    }
};
#endif

template <class Train>
class SmallMixer {
public:
    static constexpr size_t kInputs = 8;

    SmallMixer(size_t sets, int16_t weight) : weights_(sets * kInputs, weight) {}

    // Weight set `set` for the inputs that follow.
    void begin(size_t set) {
        chosen_ = weights_.data() + set * kInputs;
        sum_ = 0;
    }

    void input(size_t k, int logit) {
        inputs_[k] = static_cast<int16_t>(logit);
        sum_ += logit * chosen_[k];
    }

    int mix() { return output_ = std::clamp(sum_ >> 14, -mixing::kLogitMax, mixing::kLogitMax); }

    // After the bit is known.
    void train(int bit, int32_t rate) {
        const int32_t error = (bit << mixing::kProbabilityBits) - mixing::squash(output_);
        Train::run(inputs_.data(), chosen_, std::clamp((error * rate) >> 10, -32767, 32767));
    }

private:
    std::vector<int16_t> weights_;
    int16_t *chosen_ = nullptr;
    int32_t sum_ = 0;
    int output_ = 0;
    alignas(16) std::array<int16_t, kInputs> inputs_{};
};

}  // namespace laconic::image
