// The model behind byte_model.h, for any kernel of the mixers (mixing/mixer.h).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <memory>

#include "entropy/binary_coder.h"
#include "mixing/apm.h"
#include "mixing/hashed_slots.h"
#include "mixing/history.h"
#include "mixing/match_model.h"
#include "mixing/mixer.h"
#include "mixing/run_map.h"
#include "mixing/state_map.h"
#include "text/byte_model.h"

namespace laconic::text {

using namespace laconic::mixing;  // this header is for byte_model.cpp alone

constexpr size_t kHashed = 12;  // contexts looked up by hash: orders 2 to 6 and 8, word, two words, two sparse, two indirect ones
constexpr size_t kPerContext = 3;
constexpr std::array<size_t, 7> kRunContexts = {0, 1, 2, 3, 4, 6, 7};  // of these also the run of equal bytes is kept
constexpr size_t kInputs = 64;  // 12 x 3, 7 runs, 4 of the order-0 and order-1 tables, 4 of the matches, a bias; padded

// Tuned on the first 1,000,000 bytes of enwik8 and on alice29.txt (docs/notes/mixing.md).
constexpr int16_t kFirstWeight = kWeightOne * 6 / 64;
constexpr int32_t kFirstRate = 400, kLastRate = 20;  // of the mixers, falling by 1 every 512 bytes
constexpr int32_t kFinalRate = 60;

template <class Kernel>
class ByteModel {
public:
    explicit ByteModel(size_t size)
        : slots_(slot_bits(size)),
          order1_(size_t{1} << 16),
          fast1_(size_t{1} << 16),
          long_match_(12, table_bits(size)),
          short_match_(5, table_bits(size)),
          by_match_(16 * 8, kFirstWeight),
          by_byte_(256 * 3, kFirstWeight),
          by_bits_(256, kFirstWeight),
          by_expected_(512, kFirstWeight),
          final_(256, kWeightOne / 4),
          follow1_(256),
          follow2_(size_t{1} << 16),
          apm_order0_(256),
          apm_order2_(size_t{1} << 16) {
        for (auto &map : maps_)
            for (size_t s = 0; s < 256; ++s) map[s].start(histories().initial[s]);
        runs_.reserve(kRunContexts.size());
        for (size_t i = 0; i < kRunContexts.size(); ++i) runs_.emplace_back(table_bits(size));
        next_byte(nullptr, 0);
    }

    // P(next bit = 1), 1 .. 65535.
    int predict() {
        const HistoryTable &table = histories();
        int16_t *in = inputs_.data();
        for (size_t c = 0; c < kHashed; ++c, in += kPerContext) {
            const uint8_t s = *(history_[c] = nibble_[c] + node_);
            if (s == 0) {
                in[0] = in[1] = in[2] = 0;
                continue;
            }
            const int p = maps_[c][s].p16();
            in[0] = static_cast<int16_t>(stretch(p));
            in[1] = static_cast<int16_t>((p - 32768) >> 5);
            in[2] = table.run[s];
        }
        const size_t i1 = last_ << 8 | partial_;
        in[0] = static_cast<int16_t>(stretch(order1_[i1].p16()));
        in[1] = static_cast<int16_t>((order1_[i1].p16() - 32768) >> 5);
        in[2] = static_cast<int16_t>(stretch(fast1_[i1].p16()));
        in[3] = static_cast<int16_t>(stretch(order0_[partial_].p16()));
        long_match_.inputs(partial_, bits_, in + 4);
        short_match_.inputs(partial_, bits_, in + 6);
        in[8] = 256;
        in += 9;
        for (RunMap &run : runs_) *in++ = run.input(partial_, bits_);
        const size_t strength = std::max(long_match_.strength(), short_match_.strength());
        std::array<int16_t, 16> &out = layer_;
        out[0] = static_cast<int16_t>(by_match_.mix(inputs_.data(), strength * 8 + static_cast<size_t>(bits_)));
        out[1] = static_cast<int16_t>(by_byte_.mix(inputs_.data(), word_class_ * 256 + last_));
        out[2] = static_cast<int16_t>(by_bits_.mix(inputs_.data(), partial_));
        out[3] = static_cast<int16_t>(by_expected_.mix(inputs_.data(), expected_));
        logit_ = final_.mix(out.data(), partial_);
        const int p = squash(logit_);
        const int a = apm_order0_.refine(logit_, partial_);
        const int b = apm_order2_.refine(logit_, (hash2_ ^ partial_ * 0x9E35u) & 0xffff);
        return std::clamp((p + a + 2 * b + 2) >> 2, 1, 65535);
    }

    void update(int bit, const uint8_t *data, size_t done) {
        const HistoryTable &table = histories();
        by_match_.train(inputs_.data(), bit, rate_);
        by_byte_.train(inputs_.data(), bit, rate_);
        by_bits_.train(inputs_.data(), bit, rate_);
        by_expected_.train(inputs_.data(), bit, rate_);
        final_.train(layer_.data(), bit, kFinalRate);
        apm_order0_.update(bit, 6);
        apm_order2_.update(bit, 5);
        for (RunMap &run : runs_) run.update(bit);
        for (size_t c = 0; c < kHashed; ++c) {
            const uint8_t s = *history_[c];
            if (s != 0) maps_[c][s].update(bit, 1023);
            *history_[c] = table.next[s][static_cast<size_t>(bit)];
        }
        const size_t i1 = last_ << 8 | partial_;
        order1_[i1].update(bit, 1023);
        fast1_[i1].update(bit, 30);
        order0_[partial_].update(bit, 255);
        long_match_.update(bit);
        short_match_.update(bit);
        partial_ = partial_ << 1 | static_cast<unsigned>(bit);
        node_ = node_ << 1 | static_cast<unsigned>(bit);
        ++bits_;
        if (bits_ == 4) {
            node_ = 1;
            std::array<uint32_t, kHashed> hash;
            for (size_t c = 0; c < kHashed; ++c) slots_.prefetch(hash[c] = hash_[c] + partial_ * 0x3D4D51CBu);
            for (size_t c = 0; c < kHashed; ++c) nibble_[c] = slots_.find(hash[c]);
        } else if (bits_ == 8) {
            next_byte(data, done + 1);
        }
    }

    unsigned partial() const { return partial_; }

private:
    // Tables grow with the input up to a bound, so that small inputs are quick to start and a decoder's memory stays below 64
    // MiB.
    static unsigned slot_bits(size_t size) { return std::clamp(static_cast<unsigned>(std::bit_width(size * 8)), 14u, 21u); }
    static unsigned table_bits(size_t size) { return std::clamp(static_cast<unsigned>(std::bit_width(size)), 12u, 19u); }

    static uint32_t combine(uint32_t hash, uint32_t value) { return (hash + value + 1) * 0x2F0B4C47u ^ (hash >> 15); }

    // After `size` whole bytes: contexts of the next one.
    void next_byte(const uint8_t *data, size_t size) {
        const auto back = [&](size_t i) -> uint32_t { return i <= size ? data[size - i] : 0; };
        partial_ = node_ = 1;
        bits_ = 0;
        last_ = back(1);
        if (size > 1) follow1_[back(2)] = (follow1_[back(2)] << 8 | last_) & 0xffffff;
        if (size > 2) follow2_[back(3) << 8 | back(2)] = static_cast<uint16_t>(follow2_[back(3) << 8 | back(2)] << 8 | last_);
        // Letters, without case; bytes of multi-byte characters count as letters.
        const uint32_t c = last_ | 32;
        const bool letter = (c >= 'a' && c <= 'z' && last_ != 96 && last_ < 128) || last_ >= 128;
        if (letter) {
            word_ = combine(word_, last_ >= 128 ? last_ : c);
        } else if (word_ != 0) {
            previous_word_ = word_;
            word_ = 0;
        }
        word_class_ = letter ? 0 : last_ >= '0' && last_ <= '9' ? 1 : 2;
        uint32_t hash = 0x51ED270Bu;
        std::array<uint32_t, 9> order{};
        for (size_t i = 1; i <= 8; ++i) order[i] = hash = combine(hash, back(i));
        hash2_ = order[2] >> 16;
        const std::array<uint32_t, kHashed> contexts = {
            order[2],
            order[3],
            order[4],
            order[5],
            order[6],
            order[8],
            combine(word_, last_ + 0x100),
            combine(combine(word_, previous_word_), last_),
            combine(back(2) << 8 | back(3), 0x300),
            combine(back(1) << 16 | back(3) << 8 | back(4), 0x400),
            combine(follow1_[last_], 0x500 + last_),
            combine(follow2_[back(2) << 8 | last_], 0x600),
        };
        for (size_t i = 0; i < kHashed; ++i) {
            hash_[i] = combine(contexts[i], static_cast<uint32_t>(i) * 0x01000193u);
            slots_.prefetch(hash_[i]);
        }
        for (size_t i = 0; i < runs_.size(); ++i) runs_[i].prefetch(hash_[kRunContexts[i]]);
        if (size > 0) {
            long_match_.next_byte(data, size);
            short_match_.next_byte(data, size);
        }
        for (size_t i = 0; i < kHashed; ++i) nibble_[i] = slots_.find(hash_[i]);
        for (size_t i = 0; i < runs_.size(); ++i) runs_[i].next_byte(last_, hash_[kRunContexts[i]]);
        const unsigned expected = long_match_.expected_byte();
        expected_ = expected != 0 ? expected : 256 + back(2);
        // Steps shrink as the weights settle.
        rate_ = std::max<int32_t>(kLastRate, kFirstRate - static_cast<int32_t>(size >> 9));
    }

    HashedSlots slots_;
    std::array<std::array<AdaptiveProbability, 256>, kHashed> maps_;
    std::vector<AdaptiveProbability> order1_, fast1_;
    std::array<AdaptiveProbability, 256> order0_;
    MatchModel long_match_, short_match_;
    Mixer<kInputs, Kernel> by_match_, by_byte_, by_bits_, by_expected_;
    Mixer<16, Kernel> final_;

    std::vector<RunMap> runs_;
    std::vector<uint32_t> follow1_;  // the last three bytes that followed a byte
    std::vector<uint16_t> follow2_;  // the last two that followed a pair
    ApmMap apm_order0_, apm_order2_;

    alignas(32) std::array<int16_t, kInputs> inputs_{};
    alignas(32) std::array<int16_t, 16> layer_{};
    std::array<uint32_t, kHashed> hash_{};
    std::array<uint8_t *, kHashed> nibble_{}, history_{};
    uint32_t word_ = 0, previous_word_ = 0, last_ = 0, hash2_ = 0;
    size_t word_class_ = 0, expected_ = 256;
    unsigned partial_ = 1, node_ = 1;
    int bits_ = 0, logit_ = 0;
    int32_t rate_ = kFirstRate;
};

template <class Kernel>
inline std::vector<uint8_t> encode_with(const uint8_t *data, size_t size) {
    const auto model = std::make_unique<ByteModel<Kernel>>(size);
    BinaryEncoder coder;
    for (size_t i = 0; i < size; ++i)
        for (int k = 7; k >= 0; --k) {
            const int bit = data[i] >> k & 1;
            coder.encode(bit != 0, static_cast<uint32_t>(model->predict()));
            model->update(bit, data, i);
        }
    return coder.finish();
}

template <class Kernel>
inline void decode_with(std::span<const uint8_t> stream, uint8_t *out, size_t size) {
    const auto model = std::make_unique<ByteModel<Kernel>>(size);
    BinaryDecoder coder(stream);
    for (size_t i = 0; i < size; ++i) {
        unsigned byte = 0;
        for (int k = 7; k >= 0; --k) {
            const int bit = coder.decode(static_cast<uint32_t>(model->predict())) ? 1 : 0;
            byte = byte << 1 | static_cast<unsigned>(bit);
            if (k == 0) out[i] = static_cast<uint8_t>(byte);  // the model looks at whole bytes
            model->update(bit, out, i);
        }
    }
    coder.finish();
}

}  // namespace laconic::text
