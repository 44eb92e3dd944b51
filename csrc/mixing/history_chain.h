// A chain of refinements by bit histories (indirect secondary symbol estimation, ISSE: M. Mahoney, ZPAQ, 2009). Each link has two
// weights for every history: one of the logit that comes from the link before, one of a constant. So a context says how far the
// prediction of the shorter one is to be believed, and in which direction it errs.
//
//     y[c] = clamp((w0[c][s] y[c - 1] + 256 w1[c][s]) >> 16, +-3071)        s: the history of context c; shifts are arithmetic
//     e    = (bit << 16) - probability_of(y[c])
//     w0 += (e y[c - 1] + 2^14) >> 15,   w1 += (e + 2^6) >> 7,              both clamped to [-2^19, 2^19 - 1]
//
// Weights start as w0 = 1/2, w1 = half of the history's first guess.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "mixing/history.h"
#include "mixing/logit.h"

namespace laconic::mixing {

template <size_t Links>
class HistoryChain {
public:
    HistoryChain() {
        for (auto &link : weights_)
            for (size_t s = 0; s < link.size(); ++s) link[s] = {kOne / 2, logit_of(histories().initial[s]) * kOne / 512};
    }

    // outputs[c] = the logit after link c, whose history is states[c]; the first link refines `logit`.
    void choose(int logit, const std::array<uint8_t, Links> &states, int16_t *outputs) {
        states_ = states;
        for (size_t c = 0; c < Links; ++c) {
            inputs_[c] = logit;
            const Weights w = weights_[c][states[c]];
            logit = std::clamp((w.logit * logit + w.constant * 256) >> 16, -kLogitBound, kLogitBound);
            outputs[c] = outputs_[c] = static_cast<int16_t>(logit);
        }
    }

    void update(int bit) {
        for (size_t c = 0; c < Links; ++c) {
            Weights &w = weights_[c][states_[c]];
            const int error = (bit << 16) - probability_of(outputs_[c]);
            w.logit = bounded(w.logit + ((error * inputs_[c] + (1 << 14)) >> 15));
            w.constant = bounded(w.constant + ((error + (1 << 6)) >> 7));
        }
    }

private:
    static constexpr int32_t kOne = 1 << 16, kMost = 1 << 19;
    static int32_t bounded(int32_t w) { return std::clamp(w, -kMost, kMost - 1); }

    struct Weights {
        int32_t logit, constant;
    };
    std::array<std::array<Weights, 256>, Links> weights_;
    std::array<uint8_t, Links> states_{};
    std::array<int, Links> inputs_{};
    std::array<int16_t, Links> outputs_{};
};

}  // namespace laconic::mixing
