// Adaptive probabilities of bits in several contexts at once, mixed by a small online-trained network in the logistic domain
// (M. Mahoney, "Adaptive weighing of context models for lossless data compression", 2005). Integers only.
//
// One BitMixer codes one stream: `Coder` is BinaryEncoder or BinaryDecoder, and both sides make the same calls; bits(...) takes
// the symbol when encoding and returns it in both cases. `Votes` is ScalarVotes or Avx2Votes, which give the same numbers.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "entropy/binary_coder.h"
#include "log/vote_kernel.h"
#include "log/zeroed_table.h"

namespace laconic::logs {

template <class Coder, class Votes>
class BitMixer {
public:
    static constexpr bool kEncodes = requires(Coder &c) { c.encode(true, 1u); };

    // 2^bucket_bits buckets of 64 bytes for hashed contexts.
    BitMixer(Coder &coder, unsigned bucket_bits)
        : coder_(coder), mask_((size_t{1} << bucket_bits) - 1), buckets_(size_t{1} << bucket_bits), flags_(kFlags, kUnseen) {
        match_.fill(kUnseen);
        for (Weights &w : weights_) w.fill(kFirstWeight);
        for (Weights &w : flag_weights_) w.fill(kFirstWeight * 2);
    }

    // Codes the low `n` bits (1 to 8) of symbol in the contexts, high bit first. `set` < kSets chooses the mixer's weights. Where
    // expected >= 0, a match predicts that byte with `strength` (0 to 15).
    template <size_t kContexts>
    uint32_t bits(const uint64_t (&contexts)[kContexts], unsigned n, uint32_t set, uint32_t symbol, int expected = -1,
                  unsigned strength = 0);

    // Codes a byte without mixing: by what was seen in the special context, or in the general one while that is too little.
    uint32_t byte(uint64_t general, uint64_t special, uint32_t symbol);

    // Codes a decision in up to 4 contexts that index a table directly.
    template <size_t kContexts>
    bool flag(const uint64_t (&contexts)[kContexts], uint32_t set, bool bit);

    static constexpr uint32_t kSets = 2048;

private:
    struct alignas(64) Bucket {
        uint32_t check;
        Estimate nodes[15];
    };
    static constexpr size_t kFlags = size_t{1} << 18;
    static constexpr int32_t kFirstWeight = 20000;  // of 65536
    static constexpr int32_t kBias = 256;
    static constexpr uint32_t kLimit = 250, kFlagLimit = 120;
    static constexpr uint32_t kEnough = 20;  // times that a special context was seen, to be trusted alone

    Bucket &find(uint64_t h) {
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
    bool code(bool bit, int32_t logit, int32_t &error) {
        const uint32_t p1 = kLogistic.squash[static_cast<size_t>(std::clamp(logit, -2047, 2047) + 2048)];
        bit = code(bit, p1);
        error = (bit ? 65535 : 0) - static_cast<int32_t>(p1);
        return bit;
    }

    Coder &coder_;
    size_t mask_;
    ZeroedTable<Bucket> buckets_;
    std::vector<Estimate> flags_;
    std::array<Weights, kSets> weights_;
    std::array<Weights, 256> flag_weights_;
    std::array<Estimate, 16> match_;
};

template <class Coder, class Votes>
template <size_t kContexts>
uint32_t BitMixer<Coder, Votes>::bits(const uint64_t (&contexts)[kContexts], unsigned n, uint32_t set, uint32_t symbol,
                                      int expected, unsigned strength) {
    uint32_t done = 1;  // the bits so far, below a leading one
    unsigned left = n;
    Estimate *at[kContexts];
    Bucket *buckets[kContexts];
    while (left) {
        uint64_t hashes[kContexts];
        for (size_t k = 0; k < kContexts; ++k) {
            hashes[k] = (contexts[k] + k * 0x632be59bd9b4e019u + done * 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u;
            __builtin_prefetch(&buckets_[hashes[k] >> 34 & mask_]);
        }
        for (size_t k = 0; k < kContexts; ++k) buckets[k] = &find(hashes[k]);
        uint32_t node = 0;
        for (unsigned g = left > 4 ? left - 4 : left; g; --g) {
            --left;
            const bool matches = expected >= 0 && (static_cast<uint32_t>(expected) | 256u) >> (left + 1) == done;
            const bool predicted = (expected >> left & 1) != 0;
            Estimate &match = match_[strength];
            const int32_t by_match = kLogistic.stretch[match >> 20];
            Weights &w = weights_[set * 2 + (matches ? 1 : 0)];
            for (size_t k = 0; k < kContexts; ++k) at[k] = &buckets[k]->nodes[node];
            Votes votes;
            int32_t error;
            const int32_t logit = votes.template mix<kContexts>(at, matches ? (predicted ? by_match : -by_match) : kBias, w);
            const bool bit = code((symbol >> left & 1) != 0, logit, error);
            if (bit)
                votes.template train<kContexts>(at, w, true, error >> 1, kLimit);
            else
                votes.template train<kContexts>(at, w, false, error >> 1, kLimit);
            if (matches) update(match, bit == predicted, kLimit);
            node = 2 * node + 1 + bit;
            done = 2 * done + bit;
        }
    }
    return done - (1u << n);
}

template <class Coder, class Votes>
uint32_t BitMixer<Coder, Votes>::byte(uint64_t general, uint64_t special, uint32_t symbol) {
    uint32_t done = 1;
    for (unsigned left = 8; left;) {
        const uint64_t step = done * 0x9e3779b97f4a7c15u;
        Bucket &a = find((general + step) * 0xd6e8feb86659fd93u), &b = find((special + step + 1) * 0xd6e8feb86659fd93u);
        uint32_t node = 0;
        for (unsigned g = 0; g < 4; ++g) {
            --left;
            const Estimate e = (b.nodes[node] & 1023u) < kEnough ? a.nodes[node] : b.nodes[node];
            const bool bit = code((symbol >> left & 1) != 0, std::clamp(e >> 16, 32u, 65504u));
            update(a.nodes[node], bit, kLimit);
            update(b.nodes[node], bit, kLimit);
            node = 2 * node + 1 + bit;
            done = 2 * done + bit;
        }
    }
    return done - 256;
}

template <class Coder, class Votes>
template <size_t kContexts>
bool BitMixer<Coder, Votes>::flag(const uint64_t (&contexts)[kContexts], uint32_t set, bool bit) {
    Estimate *at[kContexts];
    for (size_t k = 0; k < kContexts; ++k) at[k] = &flags_[((contexts[k] + k) * 0xd6e8feb86659fd93u >> 40) & (kFlags - 1)];
    Weights &w = flag_weights_[set];
    Votes votes;
    int32_t error;
    bit = code(bit, votes.template mix<kContexts>(at, kBias, w), error);
    votes.template train<kContexts>(at, w, bit, error >> 2, kFlagLimit);
    return bit;
}

}  // namespace laconic::logs
