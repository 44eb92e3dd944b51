// The model of level `high`: about ten contexts and two match models, mixed. For any kernel (mixing/kernels.h).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "mixing/context_set.h"
#include "mixing/hashed_slots.h"
#include "mixing/history.h"
#include "mixing/history_chain.h"
#include "mixing/match_model.h"
#include "mixing/mixer.h"
#include "mixing/probability.h"
#include "mixing/sse_map.h"
#include "text/byte_coder.h"

namespace laconic::text {

namespace mixed {

using namespace mixing;

constexpr size_t kContexts = 9;  // looked up by hash: orders 3, 4, 5 and 8, word, two words, sparse, two of what followed before
constexpr size_t kOrders = 4;    // of these, orders
constexpr size_t kWord = kOrders;
constexpr size_t kLinks = 2;  // the chain's, orders 3 and 4
// Lanes: the contexts, order 1 at two rates, order 0, two matches; padded.
constexpr size_t kOrder1 = kContexts, kMatch = kOrder1 + 3;
constexpr size_t kLanes = 16;
static_assert(kMatch + 2 <= kLanes);
// Inputs: logits and centred probabilities of the lanes, logits of the contexts once more where these saw one kind of bit only,
// and the chain.
constexpr size_t kSingle = 2 * kLanes, kChain = kSingle + kContexts;
constexpr size_t kInputs = 3 * kLanes;
static_assert(kChain + kLinks <= kInputs);

// Tuned on the first 400,000 bytes of enwik8 and on alice29.txt (docs/notes/mixing.md).
constexpr int16_t kFirstWeight = kWeightOne * 6 / 64;
constexpr int32_t kFinalRate = 60;
constexpr unsigned kSseBits = 13;
constexpr unsigned kMostSlotBits = 21;
constexpr int kUnlikely = 65536 / 16;

template <class Kernel>
class ByteModel {
public:
    static constexpr unsigned kMostBits = 23;

    // Codes up to `capacity` bytes with tables of about 2^bits lines (primed_coder.h).
    ByteModel(size_t capacity, unsigned bits, Content content)
        : text_content_(content == Content::text),
          past_(capacity),
          slots_(std::min(bits - 1, kMostSlotBits)),
          order1_(size_t{1} << 16),
          long_match_(12, bits - 1),
          short_match_(5, bits - 1),
          mixers_({16 * 8, 256 * 8, 8 * 256, 512}, {8 * 256}, kFirstWeight),
          follow1_(256),
          follow2_(size_t{1} << 16),
          apm_order0_(256),
          apm_order2_(size_t{1} << kSseBits) {
        std::fill_n(order1_.data(), order1_.size(), SlowAndFast{kUndecided, kUndecided});
        order0_.fill(kUndecided);
        words_.fill(kUndecided);
        limits_.fill(1023);
        limits_[kOrder1 + 1] = 30;
        limits_[kOrder1 + 2] = 255;
        begin_byte();
    }

    // P(next bit = 1), 1 .. 65535.
    int predict() {
        apm_order2_.prefetch(sse_place(partial_ * 2));
        apm_order2_.prefetch(sse_place(partial_ * 2 + 1));
        contexts_.choose(words_.data(), node_);
        const size_t i1 = last_ << 8 | partial_;
        words_[kOrder1] = order1_[i1].slow;
        words_[kOrder1 + 1] = order1_[i1].fast;
        words_[kOrder1 + 2] = order0_[partial_];
        words_[kMatch] = long_match_.choose(partial_, bits_);
        words_[kMatch + 1] = short_match_.choose(partial_, bits_);
        const size_t known = contexts_.known(kOrders), strength = std::max(long_match_.strength(), short_match_.strength());
        mixers_.select(0, strength * 8 + known);
        mixers_.select(1, (text_content_ ? std::min(column_, 255u) : last_) * 8 + static_cast<size_t>(bits_));
        mixers_.select(2, place_class_ * 256 + partial_);
        mixers_.select(3, expected_);
        mixers_.select_final(0, known * 256 + partial_);
        int16_t *const x = mixers_.inputs();
        // One by one: a vector would wait until the words have left the store buffer.
        for (size_t l = 0; l < kLanes; ++l) x[l] = static_cast<int16_t>(logit_of(words_[l] >> 16));
        Kernel::template centred<kLanes>(words_.data(), x + kLanes);
        Kernel::template marked<kLanes>(words_.data(), x, x + kSingle);
        chain_.choose(logit_of(words_[kOrder1] >> 16), contexts_.template states<kLinks>(0), x + kChain);
        const int logit = mixers_.mix();
        const int p = probability_of(logit);
        const int a = apm_order0_.refine(logit, partial_);
        const int b = apm_order2_.refine(logit, sse_place(partial_));
        const int sure = std::clamp((p + a + 2 * b + 2) >> 2, 1, 65535);
        // Where the byte's last bit is coming, what follows either bit is asked for, unless one is most unlikely.
        if (bits_ == 7) {
            if (sure < 65536 - kUnlikely) look_ahead(static_cast<uint8_t>(partial_ * 2));
            if (sure > kUnlikely) look_ahead(static_cast<uint8_t>(partial_ * 2 + 1));
        }
        return sure;
    }

    void update(int bit) {
        mixers_.train(bit, rate_, kFinalRate);
        chain_.update(bit);
        apm_order0_.update(bit, 6);
        apm_order2_.update(bit, 5);
        Kernel::template adapt<kLanes, true>(words_.data(), limits_.data(), bit);
        contexts_.update(words_.data(), bit, node_);
        const size_t i1 = last_ << 8 | partial_;
        order1_[i1] = {words_[kOrder1], words_[kOrder1 + 1]};
        order0_[partial_] = words_[kOrder1 + 2];
        long_match_.update(words_[kMatch], bit);
        short_match_.update(words_[kMatch + 1], bit);
        partial_ = partial_ << 1 | static_cast<unsigned>(bit);
        node_ = node_ << 1 | static_cast<unsigned>(bit);
        ++bits_;
        if (bits_ == 4) {
            node_ = 1;
            long_match_.half_byte(past_);
            short_match_.half_byte(past_);
            choose_second();
        } else if (bits_ == 8) {
            end_byte();
            begin_byte();
        }
    }

    // After the model was copied: what was chosen in the original's tables is chosen again.
    void resume() { begin_byte(); }

    uint8_t byte() const { return static_cast<uint8_t>(past_.back(1)); }

private:
    struct SlowAndFast {
        uint32_t slow, fast;
    };

    static uint32_t combine(uint32_t hash, uint32_t value) { return (hash + value + 1) * 0x2F0B4C47u ^ (hash >> 15); }

    static uint64_t spread(uint64_t x) { return (x ^ x >> 32) * 0x9E3779B97F4A7C15u; }

    size_t sse_place(unsigned partial) const { return (sse_hash_ + partial * 0x9E35u) & ((1u << kSseBits) - 1); }

    // What follows from the bytes so far, and would follow after one more.
    struct Words {
        uint32_t word = 0, previous = 0;
        bool letter = false;
        uint32_t length = 0;

        void add(uint32_t byte) {
            // Letters, without case; bytes of multi-byte characters count as letters.
            const uint32_t c = byte | 32;
            letter = (c >= 'a' && c <= 'z' && byte != 96 && byte < 128) || byte >= 128;
            length = letter ? length + 1 : 0;
            if (letter) {
                word = combine(word, byte >= 128 ? byte : c);
            } else if (word != 0) {
                previous = word;
                word = 0;
            }
        }
    };

    // What follows from one more byte, by its last bit.
    struct Ahead {
        bool known = false;
        Words text;
        uint32_t sse = 0;
        std::array<uint32_t, kContexts> hash{};
    };

    // Hashes the contexts after one more byte, and asks for their slots.
    void look_ahead(uint8_t byte) {
        Ahead &ahead = ahead_[byte & 1];
        ahead.known = true;
        ahead.text = text_;
        ahead.text.add(byte);
        const uint64_t last = past_.last_eight() << 8 | byte;  // the latest in the low byte
        const uint32_t b1 = byte, b2 = past_.back(1), pair = b2 << 8 | b1;
        const auto order = [&](unsigned n) { return last & (~uint64_t{0} >> (64 - 8 * n)); };
        ahead.sse = static_cast<uint32_t>(spread(pair) >> 32);
        const uint32_t f1 = b2 == b1 ? (follow1_[b1] << 8 | b1) & 0xffffff : follow1_[b1];
        const uint64_t word = ahead.text.word;
        const std::array<uint64_t, kContexts> contexts = {
            order(3),
            order(4),
            order(5),
            text_content_ ? order(8) : (order(4) & 0xff0000ff) | order(8) >> 56 << 16,
            text_content_ ? word << 8 | b1 : order(3) & 0xff00ff,
            text_content_ ? (word << 24 ^ ahead.text.previous) << 8 | b1 : order(4) >> 16,
            order(3) >> 8,
            uint64_t{f1} << 8 | b1,
            uint64_t{follow2_[pair]} << 16,
        };
        for (size_t i = 0; i < kContexts; ++i) {
            const uint32_t hash = ahead.hash[i] =
                static_cast<uint32_t>(spread(contexts[i] + (i + 1) * 0xD6E8FEB86659FD93u) >> 32);
            slots_.prefetch(hash);
            if (text_content_) slots_.prefetch_beside(hash);
        }
    }

    void choose_second() {
        if (text_content_) {
            // In the line beside the first nibble's, which was asked for with it: 0.4 % larger than in one of its own, 5 %
            // faster.
            for (size_t c = 0; c < kContexts; ++c)
                contexts_.select(c, slots_.find_beside(hash_[c], partial_ * 0x9E35u).histories);
            return;
        }
        // More different bytes follow the contexts of records.
        const auto second = [&](size_t c) { return (hash_[c] + partial_) * 0x3D4D51CBu; };
        for (size_t c = 0; c < kContexts; ++c) slots_.prefetch(second(c));
        for (size_t c = 0; c < kContexts; ++c) contexts_.select(c, slots_.find(second(c)).histories);
    }

    void end_byte() {
        const auto byte = static_cast<uint8_t>(partial_);
        if (!ahead_[byte & 1].known) look_ahead(byte);
        go_on(ahead_[byte & 1]);
        past_.append(byte);
        const uint32_t b1 = byte, b2 = past_.back(2), b3 = past_.back(3);
        follow1_[b2] = (follow1_[b2] << 8 | b1) & 0xffffff;
        follow2_[b3 << 8 | b2] = static_cast<uint16_t>(follow2_[b3 << 8 | b2] << 8 | b1);
        column_ = byte == 10 ? 0 : column_ + 1;
        long_match_.next_byte(past_);
        short_match_.next_byte(past_);
    }

    void go_on(const Ahead &ahead) {
        text_ = ahead.text;
        hash_ = ahead.hash;
        sse_hash_ = ahead.sse;
        ahead_[0].known = ahead_[1].known = false;
    }

    void begin_byte() {
        if (past_.size() == 0) look_ahead(0), go_on(ahead_[0]);
        last_ = past_.back(1);
        partial_ = node_ = 1;
        bits_ = 0;
        place_class_ = !text_content_      ? past_.size() & 7
                       : text_.letter      ? std::min(text_.length, 5u) - 1
                       : last_ == ' '      ? 5
                       : last_ - '0' < 10u ? 6
                                           : 7;
        for (size_t i = 0; i < kContexts; ++i) contexts_.select(i, slots_.find(hash_[i]).histories);
        const unsigned expected = long_match_.expected_byte();
        expected_ = expected != 0 ? expected : 256 + past_.back(2);
        // Steps shrink as the weights settle.
        rate_ = 16 + static_cast<int32_t>((400u << 14) / ((1u << 14) + past_.size()));
    }

    bool text_content_;
    Past past_;
    HashedSlots slots_;
    ContextSet<kContexts> contexts_;
    HistoryChain<kLinks> chain_;
    LargeArray<SlowAndFast> order1_;
    std::array<uint32_t, 256> order0_;
    alignas(64) std::array<uint32_t, kLanes> words_, limits_;  // two lanes to spare hold P(1) over all
    MatchModel long_match_, short_match_;
    MixerLayers<kInputs, 4, Kernel> mixers_;
    std::vector<uint32_t> follow1_;  // the last three bytes that followed a byte
    std::vector<uint16_t> follow2_;  // the last two that followed a pair
    SseMap apm_order0_, apm_order2_;

    std::array<uint32_t, kContexts> hash_{};
    std::array<Ahead, 2> ahead_;
    Words text_;
    uint32_t last_ = 0, column_ = 0, sse_hash_ = 0;
    size_t place_class_ = 0, expected_ = 256;
    unsigned partial_ = 1, node_ = 1;
    int bits_ = 0;
    int32_t rate_ = 0;
};

}  // namespace mixed

}  // namespace laconic::text
