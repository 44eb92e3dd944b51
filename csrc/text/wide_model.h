// The model of level `max`: 26 contexts, their predictions joined by a gated linear network that learns online. For any kernel
// (mixing/kernels.h).
#pragma once

#include <algorithm>
#include <array>

#include "mixing/context_set.h"
#include "mixing/direct_set.h"
#include "mixing/hashed_slots.h"
#include "mixing/history_chain.h"
#include "mixing/match_model.h"
#include "mixing/mixer.h"
#include "mixing/past.h"
#include "mixing/probability.h"
#include "mixing/run_set.h"
#include "mixing/sse_map.h"
#include "text/text_state.h"

namespace laconic::text {

namespace wide {

using namespace mixing;

constexpr size_t kContexts = 26;  // text_state.h
// The first of them are orders 2 to 7 and 9, then come the words.
constexpr size_t kOrders = 7, kWords = 4;
constexpr size_t kOrder2 = 0, kOrder4 = 2, kWord = kOrders;
// Contexts that also have probabilities of their own: orders 2 to 5, the word, two words.
constexpr std::array<size_t, 6> kDirect = {0, 1, 2, 3, kWord, kWord + 1};
constexpr size_t kMatches = 3;
// Lanes: the contexts, their runs, order 1 at two rates, order 0, the matches, the contexts' own probabilities.
constexpr size_t kRunLane = kContexts, kOrder1 = 2 * kContexts, kMatch = kOrder1 + 3, kDirectLane = kMatch + kMatches;
constexpr size_t kLanes = 64;
static_assert(kDirectLane + kDirect.size() <= kLanes);
// Inputs: logits and centred probabilities of the lanes, and both of the first lanes once more where these contexts saw one kind
// of bit only. Lanes there that are no contexts are the chains' instead.
constexpr size_t kFirstLanes = 32, kSingle = 2 * kLanes, kSingleCentred = kSingle + kFirstLanes,
                 kInputs = kSingleCentred + kFirstLanes;
constexpr size_t kSpare = kFirstLanes - kContexts;
static_assert(kOrders + kWords <= 2 * kSpare);

// Tuned on the first 200,000 bytes of enwik8 and on alice29.txt (docs/notes/mixing.md).
constexpr int16_t kFirstWeight = kWeightOne * 2 / 64;
constexpr int32_t kFinalRate = 100;
constexpr unsigned kSseBits = 14;
constexpr unsigned kMostDirectBits = 21;

template <class Kernel>
class WideModel {
public:
    static constexpr unsigned kMostBits = 24;

    // Codes up to `capacity` bytes with tables of about 2^bits lines (primed_coder.h).
    WideModel(size_t capacity, unsigned bits, Content content)
        : past_(capacity),
          slots_(bits),
          direct_(std::min(bits - 1, kMostDirectBits)),
          order1_(size_t{1} << 16),
          fast1_(size_t{1} << 16),
          matches_{MatchModel(24, bits - 1), MatchModel(11, bits - 1), MatchModel(5, bits - 1)},
          mixers_({16 * 16, 256 * 8, 8 * 256, 512, 256, 4096, 2048, 2048, 4096, 2048, 2048, 2048, 256, 2048, 2048, 2048},
                  {16 * 256, 256 * 8, 8 * 256, 16 * 8}, kFirstWeight, kLanes),
          text_(content),
          sse_order0_(256 * 16),
          sse_order2_(size_t{1} << kSseBits),
          sse_word_(size_t{1} << kSseBits) {
        std::fill_n(order1_.data(), order1_.size(), kUndecided);
        std::fill_n(fast1_.data(), fast1_.size(), kUndecided);
        order0_.fill(kUndecided);
        words_.fill(kUndecided);
        limits_.fill(1023);
        limits_[kOrder1 + 1] = 30;
        limits_[kOrder1 + 2] = 255;
        begin_byte();
    }

    // P(next bit = 1), 1 .. 65535.
    int predict() {
        sse_order2_.prefetch(sse_place(text_.order(2)));
        sse_word_.prefetch(sse_place(text_.order(3)));
        contexts_.choose(words_.data(), node_);
        runs_.choose(words_.data() + kRunLane, partial_, bits_);
        const size_t i1 = last_ << 8 | partial_;
        words_[kOrder1] = order1_[i1];
        words_[kOrder1 + 1] = fast1_[i1];
        words_[kOrder1 + 2] = order0_[partial_];
        for (size_t m = 0; m < kMatches; ++m) words_[kMatch + m] = matches_[m].choose(partial_, bits_);
        direct_.choose(words_.data() + kDirectLane, node_);
        const size_t known = contexts_.known(kOrders);
        size_t strength = 0;
        for (const MatchModel &m : matches_) strength = std::max(strength, m.strength());
        const auto bits = static_cast<size_t>(bits_);
        mixers_.select(0, strength * 16 + known);
        mixers_.select(1, last_ * 8 + bits);
        mixers_.select(2, word_class_ * 256 + partial_);
        mixers_.select(3, expected_);
        mixers_.select(4, past_.back(2));
        mixers_.select(5, (text_.classes & 511) * 8 + bits);
        mixers_.select(6, std::min<size_t>(text_.column, 255) * 8 + bits);
        mixers_.select(7, text_.tag_depth() * 256 + partial_);
        mixers_.select(8, text_.classes & 07777);
        mixers_.select(9, past_.back(3) * 8 + bits);
        mixers_.select(10, (text_.order(2) >> 9) % 2048);
        mixers_.select(11, text_.word_hash() % 2048);
        mixers_.select(12, std::min<size_t>(text_.word_length(), 15) * 8 + bits + 128 * (strength ? 1 : 0));
        mixers_.select(13, contexts_.state(kOrder4) * 8 + bits);
        mixers_.select(14, contexts_.state(kWord) * 8 + bits);
        mixers_.select(15, contexts_.state(kOrder2) * 8 + bits);
        mixers_.select_final(0, known * 256 + partial_);
        mixers_.select_final(1, last_ * 8 + bits);
        mixers_.select_final(2, word_class_ * 256 + partial_);
        mixers_.select_final(3, strength * 8 + bits);
        look_at_lanes();
        const int logit = mixers_.mix();
        const int p = probability_of(logit);
        const int a = sse_order0_.refine(logit, word_class_ * 256 + partial_);
        const int b = sse_order2_.refine(logit, sse_place(text_.order(2)));
        const int c = sse_word_.refine(logit, sse_place(text_.order(3)));
        return std::clamp((p + a + b + c + 2) >> 2, 1, 65535);
    }

    void update(int bit) {
        mixers_.train(bit, rate_, kFinalRate);
        order_chain_.update(bit);
        word_chain_.update(bit);
        sse_order0_.update(bit, 6);
        sse_order2_.update(bit, 6);
        sse_word_.update(bit, 6);
        Kernel::template adapt<kLanes, true>(words_.data(), limits_.data(), bit);
        contexts_.update(words_.data(), bit, node_);
        runs_.update(words_.data() + kRunLane);
        direct_.update(words_.data() + kDirectLane, node_);
        const size_t i1 = last_ << 8 | partial_;
        order1_[i1] = words_[kOrder1];
        fast1_[i1] = words_[kOrder1 + 1];
        order0_[partial_] = words_[kOrder1 + 2];
        for (size_t m = 0; m < kMatches; ++m) matches_[m].update(words_[kMatch + m], bit);
        partial_ = partial_ << 1 | static_cast<unsigned>(bit);
        node_ = node_ << 1 | static_cast<unsigned>(bit);
        ++bits_;
        if (bits_ == 4) {
            node_ = 1;
            for (size_t c = 0; c < kContexts; ++c) slots_.prefetch(second(c));
            for (const size_t c : kDirect) direct_.prefetch(second(c));
            for (MatchModel &m : matches_) m.half_byte(past_);
            for (size_t c = 0; c < kContexts; ++c) contexts_.select(c, slots_.find(second(c)).histories);
            for (size_t d = 0; d < kDirect.size(); ++d) direct_.select(d, second(kDirect[d]));
        } else if (bits_ == 8) {
            const auto byte = static_cast<uint8_t>(partial_);
            past_.append(byte);
            runs_.end_byte(byte);
            for (MatchModel &m : matches_) m.next_byte(past_);
            text_.add(past_);
            begin_byte();
        }
    }

    // After the model was copied: what was chosen in the original's tables is chosen again.
    void resume() { begin_byte(); }

    uint8_t byte() const { return static_cast<uint8_t>(past_.back(1)); }

private:
    uint32_t second(size_t c) const { return (hash_[c] + partial_) * 0x3D4D51CBu; }
    size_t sse_place(uint32_t hash) const { return ((hash >> 12) + partial_ * 0x9E35u) & ((1u << kSseBits) - 1); }

    // Turns the lanes' probabilities into the mixers' inputs.
    void look_at_lanes() {
        int16_t *const x = mixers_.inputs();
        Kernel::template logits<kLanes>(words_.data(), x);
        Kernel::template marked<kFirstLanes>(words_.data(), x, x + kSingle);
        Kernel::template marked<kFirstLanes>(words_.data(), x + kLanes, x + kSingleCentred);
        std::array<int16_t, 2 * kSpare> chains{};
        order_chain_.choose(logit_of(words_[kOrder1 + 2] >> 16), contexts_.template states<kOrders>(0), chains.data());
        word_chain_.choose(logit_of(words_[kOrder1] >> 16), contexts_.template states<kWords>(kWord), chains.data() + kOrders);
        std::copy_n(chains.data(), kSpare, x + kSingle + kContexts);
        std::copy_n(chains.data() + kSpare, kSpare, x + kSingleCentred + kContexts);
    }

    void begin_byte() {
        partial_ = node_ = 1;
        bits_ = 0;
        last_ = past_.back(1);
        text_.contexts(past_, hash_);
        for (size_t c = 0; c < kContexts; ++c) slots_.prefetch(hash_[c]);
        for (const size_t c : kDirect) direct_.prefetch(hash_[c]);
        word_class_ = text_.word_class(past_);
        unsigned expected = 0;
        for (const MatchModel &m : matches_)
            if (expected == 0) expected = m.expected_byte();
        expected_ = expected != 0 ? expected : 256 + past_.back(2);
        rate_ = 4 + static_cast<int32_t>((300u << 14) / ((1u << 14) + past_.size()));
        for (size_t c = 0; c < kContexts; ++c) {
            const Slot slot = slots_.find(hash_[c]);
            contexts_.select(c, slot.histories);
            runs_.select(c, slot.run);
        }
        for (size_t d = 0; d < kDirect.size(); ++d) direct_.select(d, hash_[kDirect[d]]);
    }

    Past past_;
    HashedSlots slots_;
    ContextSet<kContexts> contexts_;
    RunSet<kContexts> runs_;
    DirectSet<kDirect.size()> direct_;
    HistoryChain<kOrders> order_chain_;
    HistoryChain<kWords> word_chain_;
    LargeArray<uint32_t> order1_, fast1_;
    std::array<uint32_t, 256> order0_;
    std::array<MatchModel, kMatches> matches_;
    alignas(64) std::array<uint32_t, kLanes> words_, limits_;
    MixerLayers<kInputs, 16, Kernel, 4> mixers_;
    TextState text_;
    SseMap sse_order0_, sse_order2_, sse_word_;
    std::array<uint32_t, kContexts> hash_{};
    uint32_t last_ = 0;
    size_t word_class_ = 0, expected_ = 256;
    unsigned partial_ = 1, node_ = 1;
    int bits_ = 0;
    int32_t rate_ = 0;
};

}  // namespace wide

}  // namespace laconic::text
