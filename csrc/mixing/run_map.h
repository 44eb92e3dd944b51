// The byte that followed a context last and how often in a row: a prediction of the whole next byte, strong where a context is
// deterministic.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mixing/logistic.h"
#include "mixing/state_map.h"

namespace laconic::mixing {

class RunMap {
public:
    explicit RunMap(unsigned hash_bits) : table_(size_t{1} << hash_bits), shift_(32 - hash_bits), run_(&table_[0]) {
        for (size_t i = 0; i < right_.size(); ++i) {
            const auto count = static_cast<uint32_t>(i / 16);
            const uint32_t p = 65536 - 65536 / (count + 2);
            right_[i].start(i & 1 ? p : 65536 - p);
        }
    }

    void prefetch(uint32_t hash) const { __builtin_prefetch(&table_[(hash * 0x9E3779B1u) >> shift_]); }

    // `last` ended the byte under the context before; the next one is coded under `hash`.
    void next_byte(uint32_t last, uint32_t hash) {
        const bool again = *run_ >> 8 != 0 && (*run_ & 255) == last;
        *run_ = again ? *run_ + (*run_ >> 8 < kLongest ? 256 : 0) : 256 | last;
        run_ = &table_[(hash * 0x9E3779B1u) >> shift_];
    }

    // A logit for the bit after `partial` (a 1, then the bits of this byte so far); 0 if the run says nothing.
    int16_t input(unsigned partial, int bits_done) {
        const unsigned expected = (*run_ & 255) | 256;
        if (*run_ >> 8 == 0 || expected >> (8 - bits_done) != partial) {
            chosen_ = nullptr;
            return 0;
        }
        const unsigned bit = expected >> (7 - bits_done) & 1;
        const size_t count = std::min<uint32_t>(*run_ >> 8, 31);
        chosen_ = &right_[count * 16 + static_cast<size_t>(bits_done) * 2 + bit];
        return static_cast<int16_t>(stretch(chosen_->p16()));
    }

    void update(int bit) {
        if (chosen_ != nullptr) chosen_->update(bit, 1023);
    }

private:
    static constexpr uint32_t kLongest = 255;
    std::vector<uint32_t> table_;  // count << 8 | byte
    unsigned shift_;
    uint32_t *run_;
    std::array<AdaptiveProbability, 32 * 16> right_;  // by count, bit position and expected bit
    AdaptiveProbability *chosen_ = nullptr;
};

}  // namespace laconic::mixing
