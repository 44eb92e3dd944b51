// Predicts the next bit from what followed the last occurrence of the same context, with the length of the match as confidence.
//
// The table of positions and the bytes at a position are far from the cache, so a match is found in steps with other work between
// them: a byte's end computes the place in the table and asks for it, the middle of the next byte reads the position there and
// asks for the bytes, and the end of that byte compares them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "mixing/large_array.h"
#include "mixing/past.h"
#include "mixing/probability.h"

namespace laconic::mixing {

class MatchModel {
public:
    // Finds matches of at least min_length + 1 bytes (min_length at most 32) among up to 2^24 positions.
    MatchModel(unsigned min_length, unsigned hash_bits)
        : min_length_(min_length), table_(size_t{1} << hash_bits), shift_(64 - hash_bits) {
        for (size_t i = 0; i < kConfidences; ++i) {  // a longer match is right more often
            const auto wrong = static_cast<uint32_t>(65536 / (2 * i + 2));
            right_[2 * i] = adaptive(wrong);
            right_[2 * i + 1] = adaptive(65535 - wrong);
        }
        right_[0] = kUndecided;
    }

    // After each whole byte.
    void next_byte(const Past &past) {
        const auto last = static_cast<uint8_t>(past.back(1));
        if (length_ > 0 && *past.at(at_) == last) {
            ++at_;
            length_ = std::min(length_ + 1, kLongest);
        } else {
            length_ = 0;
            if (candidate_ > 0 && *past.at(candidate_) == last) {
                at_ = candidate_ + 1;
                while (length_ < kVerified && length_ < at_ &&
                       past.at(at_)[-1 - static_cast<ptrdiff_t>(length_)] == past.back(length_ + 1))
                    ++length_;
                if (length_ < min_length_) length_ = 0;
            }
        }
        expected_ = length_ > 0 ? *past.at(at_) | 256u : 0;
        place_right_ = 2 * bucket(length_);
        strength_ = 1 + bucket(length_) / 4;
        uint64_t hash = 0;
        for (size_t i = min_length_; i >= 1; --i) hash = (hash + past.back(i) + 1) * 0x9E3779B97F4A7C15u;
        place_ = static_cast<size_t>(hash >> shift_);
        check_ = static_cast<uint32_t>(hash >> 8) & 0xff000000u;
        __builtin_prefetch(&table_[place_]);
    }

    // In the middle of a byte.
    void half_byte(const Past &past) {
        const uint32_t found = table_[place_];
        candidate_ = (found & 0xff000000u) == check_ ? found & 0xffffffu : 0;
        table_[place_] = check_ | (static_cast<uint32_t>(past.size()) & 0xffffffu);
        __builtin_prefetch(past.at(candidate_));
    }

    // P(1) of the bit after `partial` (a 1, then the bits of this byte so far), to be adapted and given back by `update`.
    uint32_t choose(unsigned partial, int bits_done) {
        bit_ = expected_ >> (7 - bits_done) & 1;
        active_ = expected_ >> (8 - bits_done) == partial;
        chosen_ = (place_right_ + bit_) & (0u - static_cast<uint32_t>(active_));
        return right_[chosen_];
    }
    void update(uint32_t adapted, int bit) {
        right_[chosen_] = adapted;
        right_[0] = kUndecided;
        expected_ &= 0u - static_cast<uint32_t>(!active_ || static_cast<unsigned>(bit) == bit_);
    }

    // 0: no match; else 1 to 15 by length.
    size_t strength() const { return active_ ? strength_ : 0; }
    // 0: no match.
    unsigned expected_byte() const { return expected_ & 255; }

private:
    static constexpr uint32_t kConfidences = 60;
    static constexpr uint32_t kLongest = 65535, kVerified = 400;

    static uint32_t bucket(uint32_t length) { return length < 32 ? length : std::min(32 + (length - 32) / 32, kConfidences - 1); }

    unsigned min_length_;
    LargeArray<uint32_t> table_;  // 8 bits of check, 24 of position
    unsigned shift_;
    std::array<uint32_t, 2 * kConfidences> right_;  // by length and expected bit; the first stands for no match
    size_t at_ = 0, candidate_ = 0, place_ = 0;
    uint32_t length_ = 0, check_ = 0, expected_ = 0, bit_ = 0, chosen_ = 0, place_right_ = 0, strength_ = 0;
    bool active_ = false;
};

}  // namespace laconic::mixing
