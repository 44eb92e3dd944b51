// Predicts the next bit from what followed the last occurrence of the same context, with the length of the match as confidence.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mixing/logistic.h"
#include "mixing/state_map.h"

namespace laconic::mixing {

class MatchModel {
public:
    MatchModel(size_t min_length, unsigned hash_bits)
        : min_length_(min_length), table_(size_t{1} << hash_bits), shift_(32 - hash_bits) {
        for (size_t i = 0; i < kConfidences; ++i)
            right_[i].start(static_cast<uint32_t>(65536 - 65536 / (2 * i + 2)));  // a longer match is right more often
    }

    // After each whole byte: `data` holds `size` bytes so far.
    void next_byte(const uint8_t *data, size_t size) {
        if (length_ > 0 && at_ < size && data[at_] == data[size - 1]) {
            ++at_;
            length_ = std::min<size_t>(length_ + 1, kLongest);
        } else {
            length_ = 0;
        }
        if (size < min_length_) return;
        uint32_t hash = 0;
        for (size_t i = 1; i <= min_length_; ++i) hash = (hash + data[size - i] + 1) * 0x2F0B4C47u;
        uint32_t &slot = table_[hash >> shift_];
        if (length_ == 0 && slot > 0) {
            at_ = slot;
            while (length_ < kLongest && length_ < at_ && data[at_ - 1 - length_] == data[size - 1 - length_]) ++length_;
            if (length_ < min_length_) length_ = 0;
        }
        slot = static_cast<uint32_t>(size);
        expected_ = length_ > 0 ? static_cast<unsigned>(data[at_]) | 256 : 0;
    }

    // Two inputs for the bit after `partial` (a 1, then the bits of this byte so far).
    void inputs(unsigned partial, int bits_done, int16_t *out) {
        active_ = length_ > 0 && expected_ >> (8 - bits_done) == partial;
        if (!active_) {
            out[0] = out[1] = 0;
            return;
        }
        bit_ = expected_ >> (7 - bits_done) & 1;
        confidence_ = bucket(length_);
        const int logit = stretch(right_[confidence_].p16());
        const int steady = static_cast<int>(std::min<size_t>(length_, 32)) * 16;
        out[0] = static_cast<int16_t>(bit_ ? logit : -logit);
        out[1] = static_cast<int16_t>(bit_ ? steady : -steady);
    }

    void update(int bit) {
        if (!active_) return;
        const bool hit = static_cast<unsigned>(bit) == bit_;
        right_[confidence_].update(hit, 1023);
        if (!hit) length_ = 0;
    }

    // 0: no match; else 1 to 15 by length.
    size_t strength() const { return length_ == 0 ? 0 : 1 + bucket(length_) / 4; }
    unsigned expected_byte() const { return length_ > 0 ? expected_ & 255 : 0; }

private:
    static constexpr size_t kConfidences = 60, kLongest = 65535;

    static size_t bucket(size_t length) {
        if (length < 32) return length;
        return std::min<size_t>(32 + (length - 32) / 32, kConfidences - 1);
    }

    size_t min_length_;
    std::vector<uint32_t> table_;
    unsigned shift_;
    AdaptiveProbability right_[kConfidences];
    size_t at_ = 0, length_ = 0, confidence_ = 0;
    unsigned expected_ = 0, bit_ = 0;
    bool active_ = false;
};

}  // namespace laconic::mixing
