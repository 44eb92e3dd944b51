// Adaptive probabilities of bits in several contexts at once, mixed by a small online-trained network in the logistic domain
// (M. Mahoney, "Adaptive weighing of context models for lossless data compression", 2005). Integers only.
//
// One BitMixer codes one stream: `Coder` is BinaryEncoder or BinaryDecoder, and both sides make the same calls; bits(...) takes
// the symbol when encoding and returns it in both cases.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "entropy/binary_coder.h"

namespace laconic::logs {

// ln(p / (1 - p)) in 1/256, |x| < 2048, and back to 16-bit probabilities.
struct Logistic {
    std::array<uint16_t, 4096> squash;  // [x + 2048] = 65536 / (1 + e^(-x / 256))
    std::array<int16_t, 4096> stretch;  // [p / 16]
    Logistic();
};
extern const Logistic kLogistic;

// A probability in the high 22 bits and how often it was seen in the low 10. It moves by 1 / (count + 1.5), at least 1 / kLimit.
using Estimate = uint32_t;
constexpr Estimate kUnseen = Estimate{1} << 31;

struct Adaptation {
    std::array<uint16_t, 256> rate;        // by count, in 1/65536
    std::array<uint16_t, 256> confidence;  // by count, in 1/256: how far an estimate's vote counts
    Adaptation();
};
extern const Adaptation kAdaptation;

inline void update(Estimate &e, bool bit, uint32_t limit) {
    const uint32_t count = e & 1023u;
    const int64_t target = bit ? 0x3fffff : 0, p = e >> 10;
    const auto moved = static_cast<uint32_t>(p + ((target - p) * kAdaptation.rate[count] >> 16));
    e = moved << 10 | (count < limit ? count + 1 : count);
}

constexpr size_t kMaxInputs = 9;  // hashed contexts, a match and a constant

template <class Coder>
class BitMixer {
public:
    static constexpr bool kEncodes = requires(Coder &c) { c.encode(true, 1u); };

    // 2^bucket_bits buckets of 64 bytes for hashed contexts.
    BitMixer(Coder &coder, unsigned bucket_bits)
        : coder_(coder), mask_((size_t{1} << bucket_bits) - 1), buckets_(size_t{1} << bucket_bits), flags_(kFlags, kUnseen) {
        match_.fill(kUnseen);
        for (auto &w : weights_) w.fill(kFirstWeight);
        for (auto &w : flag_weights_) w.fill(kFirstWeight * 2);
    }

    // Codes the low `n` bits (1 to 8) of symbol in the contexts, high bit first. `set` < kSets chooses the mixer's weights. Where
    // expected >= 0, a match predicts that byte with `strength` (0 to 15).
    template <size_t kContexts>
    uint32_t bits(const uint64_t (&contexts)[kContexts], unsigned n, uint32_t set, uint32_t symbol, int expected = -1,
                  unsigned strength = 0);

    // Codes a decision in up to 4 contexts that index a table directly.
    template <size_t kContexts>
    bool flag(const uint64_t (&contexts)[kContexts], uint32_t set, bool bit);

    static constexpr uint32_t kSets = 2048;

private:
    struct alignas(64) Bucket {
        uint32_t check = 0;
        Estimate nodes[15];
    };
    static constexpr size_t kFlags = size_t{1} << 18;
    static constexpr int32_t kFirstWeight = 20000;  // of 65536
    static constexpr uint32_t kLimit = 250, kFlagLimit = 120;

    Bucket &find(uint64_t context) {
        const uint64_t h = context * 0xd6e8feb86659fd93u;
        const auto check = static_cast<uint32_t>(h) | 1;
        const size_t at = h >> 34 & mask_;
        Bucket &a = buckets_[at], &b = buckets_[at ^ 1];
        if (a.check == check) return a;
        if (b.check == check) return b;
        Bucket &worse = (a.nodes[0] & 1023u) <= (b.nodes[0] & 1023u) || a.check == 0 ? a : b;
        worse.check = check;
        for (Estimate &e : worse.nodes) e = kUnseen;
        return worse;
    }

    bool code(bool bit, uint32_t p1) {
        if constexpr (kEncodes) {
            coder_.encode(bit, p1);
            return bit;
        } else {
            return coder_.decode(p1);
        }
    }

    Coder &coder_;
    size_t mask_;
    std::vector<Bucket> buckets_;
    std::vector<Estimate> flags_;
    std::array<std::array<int32_t, kMaxInputs>, kSets> weights_;
    std::array<std::array<int32_t, 5>, 256> flag_weights_;
    std::array<Estimate, 16> match_;
};

namespace mixing {

inline int clamp_stretch(int64_t x) { return static_cast<int>(x < -2047 ? -2047 : x > 2047 ? 2047 : x); }

inline uint32_t probability(int x) {
    const uint32_t p = kLogistic.squash[static_cast<size_t>(x + 2048)];
    return p < 1 ? 1 : p;
}

inline int32_t vote(Estimate e) { return kLogistic.stretch[e >> 20] * kAdaptation.confidence[e & 255u] >> 8; }

}  // namespace mixing

template <class Coder>
template <size_t kContexts>
uint32_t BitMixer<Coder>::bits(const uint64_t (&contexts)[kContexts], unsigned n, uint32_t set, uint32_t symbol, int expected,
                               unsigned strength) {
    static_assert(kContexts + 2 <= kMaxInputs);
    uint32_t done = 1;  // the bits so far, below a leading one
    unsigned left = n;
    int32_t x[kContexts + 2];
    Bucket *buckets[kContexts];
    while (left) {
        const unsigned group = left > 4 ? left - 4 : left;
        for (size_t k = 0; k < kContexts; ++k)
            buckets[k] = &find(contexts[k] + k * 0x632be59bd9b4e019u + done * 0x9e3779b97f4a7c15u);
        uint32_t node = 0;
        for (unsigned g = 0; g < group; ++g) {
            --left;
            const bool matches = expected >= 0 && (static_cast<uint32_t>(expected) | 256u) >> (left + 1) == done;
            const bool predicted = (expected >> left & 1) != 0;
            Estimate &match = match_[strength];
            const int32_t by_match = matches ? kLogistic.stretch[match >> 20] : 0;
            x[kContexts] = predicted ? by_match : -by_match;
            x[kContexts + 1] = 256;
            auto &w = weights_[set * 2 + (matches ? 1 : 0)];
            int64_t sum = int64_t{x[kContexts]} * w[kContexts] + int64_t{256} * w[kContexts + 1];
            for (size_t k = 0; k < kContexts; ++k) {
                x[k] = mixing::vote(buckets[k]->nodes[node]);
                sum += static_cast<int64_t>(x[k]) * w[k];
            }
            const uint32_t p = mixing::probability(mixing::clamp_stretch(sum >> 16));
            const bool bit = code((symbol >> left & 1) != 0, p);
            const int32_t error = ((bit ? 65535 : 0) - static_cast<int32_t>(p)) / 2;
            for (size_t k = 0; k < kContexts + 2; ++k) w[k] += (x[k] * error + (1 << 14)) >> 15;
            for (size_t k = 0; k < kContexts; ++k) update(buckets[k]->nodes[node], bit, kLimit);
            if (matches) update(match, bit == predicted, kLimit);
            node = 2 * node + 1 + bit;
            done = 2 * done + bit;
        }
    }
    return done - (1u << n);
}

template <class Coder>
template <size_t kContexts>
bool BitMixer<Coder>::flag(const uint64_t (&contexts)[kContexts], uint32_t set, bool bit) {
    static_assert(kContexts <= 4);
    int32_t x[kContexts + 1];
    Estimate *estimates[kContexts];
    auto &w = flag_weights_[set];
    x[kContexts] = 256;
    int64_t sum = 256 * int64_t{w[kContexts]};
    for (size_t k = 0; k < kContexts; ++k) {
        estimates[k] = &flags_[((contexts[k] + k) * 0xd6e8feb86659fd93u >> 40) & (kFlags - 1)];
        x[k] = mixing::vote(*estimates[k]);
        sum += static_cast<int64_t>(x[k]) * w[k];
    }
    const uint32_t p = mixing::probability(mixing::clamp_stretch(sum >> 16));
    bit = code(bit, p);
    const int32_t error = ((bit ? 65535 : 0) - static_cast<int32_t>(p)) / 4;
    for (size_t k = 0; k <= kContexts; ++k) w[k] += (x[k] * error + (1 << 14)) >> 15;
    for (size_t k = 0; k < kContexts; ++k) update(*estimates[k], bit, kFlagLimit);
    return bit;
}

}  // namespace laconic::logs
