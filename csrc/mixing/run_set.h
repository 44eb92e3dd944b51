// The byte that followed each of N contexts last and how often in a row: predictions of the whole next byte, strong where a
// context is deterministic.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "mixing/probability.h"

namespace laconic::mixing {

template <size_t N>
class RunSet {
public:
    RunSet() {
        for (size_t c = 0; c < N; ++c)
            for (uint32_t i = 0; i < kRuns; ++i) {
                const uint32_t wrong = 65536 / (i / 16 + 2);
                right_[c * kRuns + i] = adaptive(i & 1 ? 65536 - wrong : wrong);
            }
        right_[0] = kUndecided;
    }

    // For a byte; `run`: of its first nibble's slot (hashed_slots.h).
    void select(size_t c, uint8_t *run) {
        runs_[c] = run;
        const uint32_t count = run[1];
        place_[c] = static_cast<uint32_t>(c * kRuns) + std::min(count, kRuns / 16 - 1) * 16;
        expected_[c] = count != 0 ? run[0] | 256u : 0;
    }

    // words[c] = P(1) of the bit after `partial` (a 1, then the bits of this byte so far).
    void choose(uint32_t *words, unsigned partial, int bits) {
        for (size_t c = 0; c < N; ++c) {
            const uint32_t e = expected_[c];
            const uint32_t agrees = 0u - static_cast<uint32_t>(e >> (8 - bits) == partial);
            chosen_[c] = (place_[c] + static_cast<uint32_t>(bits) * 2 + (e >> (7 - bits) & 1)) & agrees;
            words[c] = right_[chosen_[c]];
        }
    }

    // `words` have adapted to the bit.
    void update(const uint32_t *words) {
        for (size_t c = 0; c < N; ++c) right_[chosen_[c]] = words[c];
        right_[0] = kUndecided;  // stands for no run
    }

    void end_byte(uint8_t byte) {
        for (size_t c = 0; c < N; ++c) {
            uint8_t *const run = runs_[c];
            const bool again = run[0] == byte;
            const unsigned count = run[1];
            run[0] = byte;
            run[1] = static_cast<uint8_t>(again ? std::min(count + 1, 255u) : 1);
        }
    }

private:
    static constexpr uint32_t kRuns = 32 * 16;  // by count, bit position and expected bit

    std::array<uint8_t *, N> runs_{};
    std::array<uint32_t, N> place_{}, expected_{}, chosen_{};
    std::array<uint32_t, N * kRuns> right_;
};

}  // namespace laconic::mixing
