// Two layers of mixers: weighted sums of logits, their weights trained online by the coding error (PAQ7, M. Mahoney 2005).
//
// Exactly: inputs are int16 in [-3071, 3071], weights int16 with 16384 = 1.0.
//     output = clamp(sum over pairs of ((x[i] w[i] + x[i+1] w[i+1]) >> 8) >> 6, -3071, 3071)         shifts are arithmetic
//     step   = ((bit << 16) - probability_of(output)) * rate >> 10                                   rate <= 511
//     w[i]   = saturate16(w[i] + ((x[i] * step + 2^14) >> 15))
// The second layer does the same with the outputs of the first. With at most 256 inputs no sum leaves 32 bits, so kernels for
// every instruction set give the same numbers.
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

// `Sets` weight vectors over the inputs, each chosen from its own table by a context, then `Finals` vectors over their outputs,
// chosen likewise; the mean of those is the prediction. Every vector learns by its own error: a gated linear network (J. Veness
// and others, 2017), as which PAQ's mixers may be seen.
template <size_t Inputs, size_t Sets, class Kernel, size_t Finals = 1>
class MixerLayers {
    static_assert(Inputs % 16 == 0, "pad the inputs with zeros");
    static_assert(Sets == 4 || Sets % 8 == 0);

public:
    // contexts[s], final_contexts[f]: how many weight vectors each has. The first `weighted` weights of a vector start as
    // `first_weight`, the others as 0.
    MixerLayers(const std::array<size_t, Sets> &contexts, const std::array<size_t, Finals> &final_contexts, int16_t first_weight,
                size_t weighted = Inputs)
        : weights_(std::accumulate(contexts.begin(), contexts.end(), size_t{0}) * Inputs),
          finals_(std::accumulate(final_contexts.begin(), final_contexts.end(), size_t{0}) * kFinalInputs) {
        size_t total = 0;
        for (size_t s = 0; s < Sets; ++s) start_[s] = total * Inputs, total += contexts[s];
        total = 0;
        for (size_t f = 0; f < Finals; ++f) final_start_[f] = total * kFinalInputs, total += final_contexts[f];
        for (size_t i = 0; i < weights_.size(); i += Inputs) std::fill_n(weights_.data() + i, weighted, first_weight);
        std::fill_n(finals_.data(), finals_.size(), static_cast<int16_t>(kWeightOne / Sets));
    }

    // Where the inputs go.
    int16_t *inputs() { return inputs_.data(); }
    void select(size_t set, size_t context) { chosen_[set] = weights_.data() + start_[set] + context * Inputs; }
    void select_final(size_t final, size_t context) {
        final_chosen_[final] = finals_.data() + final_start_[final] + context * kFinalInputs;
    }

    // The logit of the next bit.
    int mix() {
        Kernel::template mix<Inputs, Sets>(inputs_.data(), chosen_.data(), layer_.data());
        int total = 0;
        for (size_t f = 0; f < Finals; ++f) {
            int32_t sum = 0;
            for (size_t s = 0; s < kFinalInputs; s += 8) sum += Kernel::dot_eight(layer_.data() + s, final_chosen_[f] + s);
            total += outputs_[f] = std::clamp(sum >> 6, -kLogitBound, kLogitBound);
        }
        return total / static_cast<int>(Finals);
    }

    void train(int bit, int32_t rate, int32_t final_rate) {
        const int32_t target = bit << 16;
        for (size_t s = 0; s < Sets; ++s)
            Kernel::template train<Inputs>(inputs_.data(), chosen_[s], ((target - probability_of(layer_[s])) * rate) >> 10);
        for (size_t f = 0; f < Finals; ++f) {
            const int32_t step = ((target - probability_of(outputs_[f])) * final_rate) >> 10;
            for (size_t s = 0; s < kFinalInputs; s += 8) Kernel::train_eight(layer_.data() + s, final_chosen_[f] + s, step);
        }
    }

private:
    static constexpr size_t kFinalInputs = (Sets + 7) / 8 * 8;

    LargeArray<int16_t> weights_, finals_;
    std::array<size_t, Sets> start_;
    std::array<size_t, Finals> final_start_;
    std::array<int16_t *, Sets> chosen_{};
    std::array<int16_t *, Finals> final_chosen_{};
    alignas(64) std::array<int16_t, Inputs> inputs_{};
    alignas(16) std::array<int16_t, kFinalInputs> layer_{};
    std::array<int, Finals> outputs_{};
};

}  // namespace laconic::mixing
