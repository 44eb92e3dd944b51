// Adaptive binary models for signed values whose size varies slowly: what the cascade leaves of an audio channel.
//
// A value's zigzag code is cut into a token, coded bit by bit with learned probabilities, and low bits stored as they are; how
// many depends on a running mean. A token t is coded as the Elias gamma code of t + 1: its length in unary, then the bits below
// the leading one, each decision in three contexts (a slow and a fast running mean, and the two values before) whose predictions
// are averaged.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "entropy/binary_coder.h"
#include "entropy/byte_io.h"

namespace laconic::audio {

// A probability that learns at two speeds.
class BitModel {
public:
    uint32_t p() const { return (uint32_t{fast_} + slow_) >> 1; }
    void learn(bool bit) {
        const int32_t target = bit ? 65535 : 0;
        fast_ = static_cast<uint16_t>(fast_ + ((target - fast_) >> 4));
        slow_ = static_cast<uint16_t>(slow_ + ((target - slow_) >> 7));
    }

private:
    uint16_t fast_ = 32768, slow_ = 32768;
};

class ValueModel {
public:
    ValueModel() : models_(kSets * kContexts * kNodes) {}

    void encode(BinaryEncoder &coder, int32_t value) {
        code([&](bool bit, uint32_t p) { return coder.encode(bit, p), bit; }, entropy::zigzag(value));
    }
    int32_t decode(BinaryDecoder &coder) {
        return entropy::unzigzag(code([&](bool, uint32_t p) { return coder.decode(p); }, 0));
    }

private:
    static constexpr size_t kSets = 3, kContexts = 40;
    static constexpr unsigned kMaxLength = 33;    // of a token plus one
    static constexpr unsigned kModelledBits = 3;  // below the leading one
    static constexpr size_t kNodes = 64 + kMaxLength * 8;
    static constexpr unsigned kFraction = 4;  // of the running means
    static constexpr unsigned kSlow = 7, kFast = 4;

    // log2(x) in quarters, x >= 1.
    static unsigned quarters(uint64_t x) {
        const auto octave = static_cast<unsigned>(std::bit_width(x)) - 1;
        const auto rest = static_cast<unsigned>((octave >= 2 ? x >> (octave - 2) : x << (2 - octave)) & 3);
        return 4 * octave + rest;
    }
    static size_t context(unsigned level, unsigned base) {
        return static_cast<size_t>(
            std::clamp(static_cast<int>(level) - static_cast<int>(base), 0, static_cast<int>(kContexts) - 1));
    }

    // Codes z with step(bit, p), which returns the bit; a decoder's ignores the one it is given.
    template <class Step>
    uint32_t code(Step &&step, uint32_t z) {
        const unsigned slow = quarters((slow_ >> kSlow) + 1), fast = quarters((fast_ >> kFast) + 1);
        const unsigned last = quarters((uint64_t{before_[0]} * 2 + before_[1]) * 5 + 1);
        const unsigned mean_bits = (slow + fast) / 8;  // log2 of the mean, plus kFraction
        const unsigned low = mean_bits > kFraction + 2 ? mean_bits - kFraction - 2 : 0;
        // Contexts are relative to the size of a token.
        const unsigned base = 4 * low;
        BitModel *const sets[kSets] = {&models_[(0 * kContexts + context(slow, base)) * kNodes],
                                       &models_[(1 * kContexts + context(fast, base)) * kNodes],
                                       &models_[(2 * kContexts + context(last, base)) * kNodes]};
        const auto decide = [&](bool bit, size_t node) {
            BitModel &a = sets[0][node], &b = sets[1][node], &c = sets[2][node];
            const uint32_t p = (5 * a.p() + 6 * b.p() + 5 * c.p()) >> 4;
            bit = step(bit, std::clamp(p, 32u, 65536u - 32u));
            a.learn(bit), b.learn(bit), c.learn(bit);
            return bit;
        };
        const uint64_t v = (uint64_t{z} >> low) + 1;
        const auto wanted = static_cast<unsigned>(std::bit_width(v)) - 1;
        unsigned length = 0;
        while (length < kMaxLength - 1 && decide(length < wanted, length)) ++length;
        uint64_t value = 1;
        for (unsigned k = 0; k < length; ++k) {
            const bool bit = v >> (length - 1 - k) & 1;
            value = 2 * value +
                    (k < kModelledBits ? decide(bit, 64 + length * 8 + (value & ((1u << k) - 1)) + (1u << k)) : step(bit, 32768));
        }
        uint64_t whole = value - 1;
        for (unsigned k = low; k-- > 0;) whole = 2 * whole + step(z >> k & 1, 32768);
        const auto result = static_cast<uint32_t>(whole);
        slow_ += (uint64_t{result} << kFraction) - (slow_ >> kSlow);
        fast_ += (uint64_t{result} << kFraction) - (fast_ >> kFast);
        before_[1] = before_[0];
        before_[0] = result;
        return result;
    }

    std::vector<BitModel> models_;
    uint64_t slow_ = 0, fast_ = 0;  // means times 2^(kFraction + kSlow or kFast)
    uint32_t before_[2] = {0, 0};
};

}  // namespace laconic::audio
