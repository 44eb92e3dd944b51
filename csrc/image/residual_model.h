// Codes prediction residuals with adaptive models in several contexts, mixed in the logistic domain (csrc/mixing).
//
// A residual is cut by a step that follows the local size of residuals: the quotient in unary and the sign are mixed decisions,
// the rest below the step has simple models.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "entropy/binary_coder.h"
#include "entropy/error.h"
#include "image/small_mixer.h"
#include "mixing/apm.h"
#include "mixing/logistic.h"
#include "mixing/state_map.h"

namespace laconic::image {

constexpr size_t kSets = 6;
constexpr size_t kSetContexts = 1024;
constexpr size_t kNodes = 16;  // decisions of one context: 12 of the quotient, signs

// What is known before a residual is coded.
struct ResidualContext {
    std::array<uint32_t, kSets> sets;  // each below kSetContexts
    unsigned level;                    // of the residuals nearby: quarters(their weighted sum), below 64
};

// log2(x) in quarters, x >= 1.
inline unsigned quarters(uint32_t x) {
    const auto octave = static_cast<unsigned>(std::bit_width(x)) - 1;
    const unsigned rest = (octave >= 2 ? x >> (octave - 2) : x << (2 - octave)) & 3;
    return 4 * octave + rest;
}

template <class Kernel>
class ResidualModel {
public:
    ResidualModel() : contexts_(kSets * kSetContexts), mixer_(kNodes * 16, kFirstWeight), apm_(kNodes * 64), low_(64 * 4 * 8) {}

    // Codes `residual` (the decoder's argument is ignored) with step(bit, p1), which returns the bit.
    template <class Step>
    int32_t code(const ResidualContext &context, int32_t residual, Step &&step) {
        for (size_t k = 0; k < kSets; ++k) chosen_[k] = &contexts_[k * kSetContexts + context.sets[k]];
        level_ = context.level;
        const unsigned shift = level_ > kShiftBase ? (level_ - kShiftBase) / 4 : 0;
        const auto magnitude = static_cast<uint32_t>((residual ^ residual >> 31) - (residual >> 31));
        const uint32_t wanted = magnitude >> shift;
        uint32_t quotient = 0;
        while (quotient < kLongest && decide(quotient < wanted, std::min<size_t>(quotient, 11), step)) ++quotient;
        if (quotient == kLongest) quotient += rest(wanted - kLongest, step);
        uint32_t low = 0;
        AdaptiveProbability *const models = &low_[(level_ * 4 + std::min(quotient, 3u)) * 8];
        for (unsigned k = shift; k-- > 0;) {
            const bool bit = magnitude >> k & 1;
            const unsigned depth = shift - 1 - k;
            if (depth < 2) {
                AdaptiveProbability &model = models[(1u << depth) + low];
                const bool coded = step(bit, static_cast<uint32_t>(std::clamp(model.p16(), 64, 65472)));
                model.update(coded, 255);
                low = 2 * low + coded;
            } else {
                low = 2 * low + step(bit, 32768);
            }
        }
        const uint32_t whole = (quotient << shift) + low;
        if (whole == 0) return 0;
        const auto sign = 0u - static_cast<uint32_t>(decide(residual < 0, shift == 0 ? 12 : 13, step));
        return static_cast<int32_t>((whole ^ sign) - sign);
    }

private:
    using AdaptiveProbability = mixing::AdaptiveProbability;
    static constexpr int16_t kFirstWeight = mixing::kWeightOne * 5 / 16;
    static constexpr unsigned kShiftBase = 12;
    static constexpr uint32_t kLongest = 24;
    static constexpr uint32_t kLimit = 255;
    static constexpr int32_t kRate = 40;

    template <class Step>
    bool decide(bool bit, size_t node, Step &&step) {
        using namespace mixing;
        mixer_.begin(node * 16 + level_ / 4);
        for (size_t k = 0; k < kSets; ++k) {
            mixer_.input(k, stretch(chosen_[k]->nodes[node].p16()));
        }
        mixer_.input(kSets, 256);
        const int logit = mixer_.mix();
        const int mixed = squash(logit);
        const int refined = apm_.refine(logit, node * 64 + level_);
        const int p = (mixed + refined + 1) >> 1;
        bit = step(bit, static_cast<uint32_t>(std::clamp(p, 24, 65512)));
        mixer_.train(bit, kRate);
        apm_.update(bit, 6);
        for (size_t k = 0; k < kSets; ++k) chosen_[k]->nodes[node].update(bit, kLimit);
        return bit;
    }

    // Elias gamma of value + 1, plain.
    template <class Step>
    static uint32_t rest(uint32_t value, Step &&step) {
        const uint32_t v = value + 1;
        const auto wanted = static_cast<unsigned>(std::bit_width(v)) - 1;
        unsigned length = 0;
        while (length < 20 && step(length < wanted, 32768)) ++length;
        uint32_t found = 1;
        for (unsigned k = length; k-- > 0;) found = 2 * found + step(v >> k & 1, 32768);
        return found - 1;
    }

    struct alignas(64) Context {
        AdaptiveProbability nodes[kNodes];
    };

    std::vector<Context> contexts_;
    std::array<Context *, kSets> chosen_{};
    SmallMixer<Kernel> mixer_;
    mixing::ApmMap apm_;
    std::vector<AdaptiveProbability> low_;
    unsigned level_ = 0;
};

}  // namespace laconic::image
