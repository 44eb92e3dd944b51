// Two layers of mixers: weighted sums of logits, their weights trained online by the coding error (PAQ7, M. Mahoney 2005).
//
// Exactly: inputs are int16 in [-3071, 3071], weights int16 with 16384 = 1.0.
//     output = clamp(sum over pairs of ((x[i] w[i] + x[i+1] w[i+1]) >> 8) >> 6, -3071, 3071)         shifts are arithmetic
//     step   = ((bit << 16) - probability_of(output)) * rate >> 10                                             rate <= 511
//     w[i]   = saturate16(w[i] + ((x[i] * step + 2^14) >> 15))
// The second layer does the same with the outputs of the first. No sum leaves 32 bits, so kernels for every instruction set give
// the same numbers.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>

#include "mixing/kernels.h"
#include "mixing/large_array.h"
#include "mixing/logit.h"

namespace laconic::mixing {

constexpr int16_t kWeightOne = 16384;

// `Sets` weight vectors, each chosen from its own table by a context, then one vector over their outputs.
template <size_t Inputs, size_t Sets, class Kernel>
class MixerLayers {
    static_assert(Inputs % 32 == 0 && Sets % 4 == 0 && Sets <= 8, "pad the inputs with zeros");

public:
    // contexts[s]: how many weight vectors set s has.
    MixerLayers(const std::array<size_t, Sets> &contexts, size_t final_contexts, int16_t first_weight)
        : weights_(std::accumulate(contexts.begin(), contexts.end(), size_t{0}) * Inputs), final_(final_contexts * 8) {
        size_t total = 0;
        for (size_t s = 0; s < Sets; ++s) start_[s] = total * Inputs, total += contexts[s];
        std::fill_n(weights_.data(), weights_.size(), first_weight);
        std::fill_n(final_.data(), final_.size(), static_cast<int16_t>(kWeightOne / Sets));
    }

    // Where the inputs go.
    int16_t *inputs() { return inputs_.data(); }
    void select(size_t set, size_t context) { chosen_[set] = weights_.data() + start_[set] + context * Inputs; }

    // The logit of the next bit.
    int mix(size_t final_context) {
        Kernel::template mix<Inputs, Sets>(inputs_.data(), chosen_.data(), layer_.data());
        final_chosen_ = &final_[final_context * 8];
        output_ = std::clamp(Kernel::dot_eight(layer_.data(), final_chosen_) >> 6, -kLogitBound, kLogitBound);
        return output_;
    }

    void train(int bit, int32_t rate, int32_t final_rate) {
        const int32_t target = bit << kProbabilityBits;
        for (size_t s = 0; s < Sets; ++s)
            Kernel::template train<Inputs>(inputs_.data(), chosen_[s], ((target - probability_of(layer_[s])) * rate) >> 10);
        const int32_t step = ((target - probability_of(output_)) * final_rate) >> 10;
        Kernel::train_eight(layer_.data(), final_chosen_, step);
    }

private:
    LargeArray<int16_t> weights_, final_;
    std::array<size_t, Sets> start_;
    std::array<int16_t *, Sets> chosen_{};
    int16_t *final_chosen_ = nullptr;
    alignas(64) std::array<int16_t, Inputs> inputs_{};
    alignas(16) std::array<int16_t, 8> layer_{};
    int output_ = 0;
};

}  // namespace laconic::mixing
