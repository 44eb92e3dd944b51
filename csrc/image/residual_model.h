// Codes prediction residuals with adaptive models in several contexts, mixed in the logistic domain (M. Mahoney, "Adaptive
// weighing of context models for lossless data compression", 2005).
//
// A residual is cut by a step that follows the local size of residuals. The quotient's unary decisions and the sign are eight
// nodes whose probabilities are all computed before the first is coded, one in each element of a vector: what follows is only the
// coder's work. The rest below the step has simple models.
//
// An estimate is kept as log2 of its odds in units of 2^-23, by the bits of a float: log2 here is the line through its values at
// the powers of two, so that going to the odds and back is free and exact. Everything is IEEE single precision, elementwise, in a
// fixed order, so all machines compute the same bits.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "entropy/binary_coder.h"
#include "entropy/error.h"
#include "mixing/state_map.h"

namespace laconic::image {

constexpr size_t kSets = 6;
constexpr size_t kSetContexts = 1024;
constexpr size_t kNodes = 8;
constexpr uint32_t kUnary = 7;  // nodes of the quotient; the last one is the sign

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

// By what a residual turned out to be: which nodes were coded, and their bits.
struct alignas(32) Outcome {
    std::array<int32_t, kNodes> coded{}, zeros{};  // masks
    std::array<float, kNodes> target{};
};
inline constexpr auto kOutcomes = [] {
    std::array<Outcome, (kUnary + 1) * 3> table{};
    for (uint32_t unary = 0; unary <= kUnary; ++unary)
        for (uint32_t sign = 0; sign < 3; ++sign) {  // none, positive, negative
            Outcome &o = table[unary * 3 + sign];
            for (uint32_t node = 0; node < kNodes; ++node) {
                const bool coded = node < kUnary ? node <= unary : sign != 0;
                const bool one = coded && (node < kUnary ? node < unary : sign == 2);
                o.coded[node] = coded ? -1 : 0;
                o.zeros[node] = one ? 0 : -1;
                o.target[node] = one ? 1.0f : 0.0f;
            }
        }
    return table;
}();

class ResidualModel {
public:
    ResidualModel() : estimates_(kSets * kSetContexts), weights_(kWeightSets), excess_(kWeightSets * 16), low_(64 * 4 * 4) {}

    // Codes `residual` (the decoder's argument is ignored) with step(bit, p1), which returns the bit.
    template <class Step>
    int32_t code(const ResidualContext &context, int32_t residual, Step &&step) {
        Estimates *chosen[kSets];
        for (size_t k = 0; k < kSets; ++k) chosen[k] = &estimates_[k * kSetContexts + context.sets[k]];
        const unsigned level = context.level;
        Weights &weights = weights_[level / 4];

        Floats inputs[kSets];
        for (size_t k = 0; k < kSets; ++k) inputs[k] = __builtin_convertvector(chosen[k]->odds, Floats);
        Floats even = weights.constant * kOne, odd = inputs[0] * weights.of[0];
        for (size_t k = 1; k < kSets; ++k) (k % 2 != 0 ? even : odd) += inputs[k] * weights.of[k];
        Floats sum = even + odd;
        constexpr float most = 11 * kOne;
        sum = sum < most ? sum : Floats{} + most;  // also where it is no number
        sum = sum > -most ? sum : Floats{} - most;
        const Ints bits = __builtin_convertvector(sum, Ints) + kExponent;
        const auto odds = reinterpret_cast<const Floats &>(bits);
        const Floats p = odds / (odds + 1.0f);
        alignas(sizeof(Ints)) std::array<int32_t, kNodes> p1;
        reinterpret_cast<Ints &>(p1) = __builtin_convertvector(p * 65536.0f, Ints);

        const unsigned shift = level > kShiftBase ? (level - kShiftBase) / 4 : 0;
        const auto magnitude = static_cast<uint32_t>((residual ^ residual >> 31) - (residual >> 31));
        const uint32_t wanted = magnitude >> shift;
        uint32_t quotient = 0;
        while (quotient < kUnary && step(quotient < wanted, static_cast<uint32_t>(p1[quotient]))) ++quotient;
        const uint32_t unary = quotient;
        if (quotient == kUnary) quotient += excess(wanted - kUnary, &excess_[level / 4 * 16], step);
        const uint32_t whole =
            (quotient << shift) + low_bits(magnitude, shift, &low_[(level * 4 + std::min(quotient, 3u)) * 4], step);
        uint32_t sign = 0;
        if (whole != 0) sign = 0u - static_cast<uint32_t>(step(residual < 0, static_cast<uint32_t>(p1[kUnary])));

        const Outcome &outcome = kOutcomes[unary * 3 + (whole == 0 ? 0 : 1 + (sign & 1))];
        train(chosen, weights, inputs, p, outcome);
        return static_cast<int32_t>((whole ^ sign) - sign);
    }

private:
    using AdaptiveProbability = mixing::AdaptiveProbability;
    using Floats [[gnu::vector_size(kNodes * 4), gnu::aligned(kNodes * 4), gnu::may_alias]] = float;
    using Ints [[gnu::vector_size(kNodes * 4), gnu::aligned(kNodes * 4), gnu::may_alias]] = int32_t;

    static constexpr unsigned kShiftBase = 12;
    static constexpr size_t kWeightSets = 16;
    static constexpr float kOne = 1 << 23;              // log2 of 2
    static constexpr int32_t kExponent = 127 << 23;     // bits of 1.0f
    static constexpr int32_t kSurest = 12 << 23;        // of an estimate
    static constexpr float kSlowest = 1.0f / 220;       // how far an estimate moves towards what comes, at least
    static constexpr float kLearning = 0.0042f / kOne;  // of weights, for inputs of 1.0 = a factor of 2 in the odds

    struct alignas(64) Estimates {
        Ints odds = {};
        Floats rate = Floats{} + 0.6f;
    };
    struct Weights {
        Floats of[kSets] = {};
        Floats constant = {};
        Weights() {
            for (Floats &w : of) w += 0.24f;
        }
    };
    static void train(Estimates *const *chosen, Weights &weights, const Floats *inputs, const Floats &p, const Outcome &outcome) {
        const auto &coded = reinterpret_cast<const Ints &>(outcome.coded);
        const auto &turn = reinterpret_cast<const Ints &>(outcome.zeros);
        const Floats error = reinterpret_cast<const Floats &>(outcome.target) - p;
        const Ints coded_error = reinterpret_cast<const Ints &>(error) & coded;
        const Floats step = reinterpret_cast<const Floats &>(coded_error) * kLearning;
        for (size_t k = 0; k < kSets; ++k) weights.of[k] += inputs[k] * step;
        weights.constant += step * kOne;
        for (size_t k = 0; k < kSets; ++k) {
            Estimates &e = *chosen[k];
            const Ints masked = reinterpret_cast<const Ints &>(e.rate) & coded;
            const auto rate = reinterpret_cast<const Floats &>(masked);
            // The odds of what came: o -> (o + rate) / (1 - rate), nearly, is p -> p + rate (1 - p).
            const Ints before = ((e.odds ^ turn) - turn) + kExponent;
            const Floats after = (reinterpret_cast<const Floats &>(before) + rate) * (rate + 1.0f);
            Ints moved = reinterpret_cast<const Ints &>(after) - kExponent;
            moved = moved < kSurest ? moved : Ints{} + kSurest;
            e.odds = (moved ^ turn) - turn;
            const Floats slower =
                e.rate - rate * rate * (1.0f - 0.6f * rate);  // nearly rate / (1 + rate): the next of 1 / (n + 1.5)
            e.rate = slower > kSlowest ? slower : Floats{} + kSlowest;
        }
    }

    // Elias gamma of value + 1, its length adaptive.
    template <class Step>
    static uint32_t excess(uint32_t value, AdaptiveProbability *models, Step &&step) {
        const uint32_t v = value + 1;
        const auto wanted = static_cast<unsigned>(std::bit_width(v)) - 1;
        unsigned length = 0;
        while (length < 16 && modelled(length < wanted, models[length], step)) ++length;
        uint32_t found = 1;
        for (unsigned k = length; k-- > 0;) found = 2 * found + step(v >> k & 1, 32768);
        return found - 1;
    }

    template <class Step>
    static uint32_t low_bits(uint32_t magnitude, unsigned shift, AdaptiveProbability *models, Step &&step) {
        uint32_t low = 0;
        for (unsigned k = shift; k-- > 0;) {
            const bool bit = magnitude >> k & 1;
            const unsigned depth = shift - 1 - k;
            low = 2 * low + (depth < 2 ? modelled(bit, models[(1u << depth) + low], step) : step(bit, 32768));
        }
        return low;
    }

    template <class Step>
    static bool modelled(bool bit, AdaptiveProbability &model, Step &&step) {
        bit = step(bit, static_cast<uint32_t>(std::clamp(model.p16(), 64, 65472)));
        model.update(bit, 255);
        return bit;
    }

    std::vector<Estimates> estimates_;
    std::vector<Weights> weights_;
    std::vector<AdaptiveProbability> excess_, low_;
};

}  // namespace laconic::image
