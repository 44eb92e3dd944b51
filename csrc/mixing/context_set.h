// N contexts at once: the bit history that each has of the next bit, turned into a probability.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "mixing/hashed_slots.h"
#include "mixing/history.h"
#include "mixing/probability.h"

namespace laconic::mixing {

// `Maps` probabilities a context, for the caller to adapt at different rates. They have the mark (probability.h) where the
// context saw one kind of bit only: such predictions deserve weights of their own.
template <size_t N, size_t Maps = 1>
class ContextSet {
public:
    ContextSet() {
        for (size_t c = 0; c < Maps * N; ++c)
            for (size_t s = 0; s < kStates; ++s) {
                map(c)[s] = (adaptive(table_.initial[s]) & ~kMark) | 20;  // as if seen 20 times
                if (table_.n0[s] == 0 || table_.n1[s] == 0) map(c)[s] |= kMark;
            }
    }

    void select(size_t c, uint8_t *histories) { histories_[c] = histories; }
    uint8_t *selected(size_t c) const { return histories_[c]; }

    // words[m N + c] = the m-th adaptive probability after context c; `node`: a 1, then the bits of this nibble so far.
    void choose(uint32_t *words, unsigned node) {
#pragma GCC unroll 32
        for (size_t c = 0; c < N; ++c) {
            const uint8_t s = histories_[c][node];
            states_[c] = s;
            for (size_t m = 0; m < Maps; ++m) words[m * N + c] = map(m * N + c)[s];
        }
    }

    size_t state(size_t c) const { return states_[c]; }
    template <size_t Count>
    std::array<uint8_t, Count> states(size_t first) const {
        std::array<uint8_t, Count> states;
        std::copy_n(states_.begin() + static_cast<ptrdiff_t>(first), Count, states.begin());
        return states;
    }

    // How many of the contexts [0, count) have been seen before.
    size_t known(size_t count) const {
        size_t n = 0;
        for (size_t c = 0; c < count; ++c) n += states_[c] != 0;
        return n;
    }

    // `words` have adapted to the bit.
    void update(const uint32_t *words, int bit, unsigned node) {
        const uint8_t *const next = table_.next[static_cast<size_t>(bit)].data();
#pragma GCC unroll 32
        for (size_t c = 0; c < N; ++c) {
            const uint8_t s = states_[c];
            for (size_t m = 0; m < Maps; ++m) map(m * N + c)[s] = words[m * N + c];
            histories_[c][node] = next[s];
        }
#pragma GCC unroll 32
        for (size_t c = 0; c < Maps * N; ++c) map(c)[0] = kUndecided;  // never seen says nothing
    }

private:
    static constexpr size_t kStates = 256;
    uint32_t *map(size_t c) { return maps_.data() + c * kStates; }

    const HistoryTable &table_ = histories();
    std::array<uint8_t *, N> histories_{};
    std::array<uint8_t, N> states_{};
    std::array<uint32_t, Maps * N * kStates> maps_;
};

}  // namespace laconic::mixing
