// Adaptive probabilities kept for N hashed contexts themselves: a cache line of 16 for each nibble, found without a check. Beside
// bit histories (context_set.h) they remember more of contexts that are seen often.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "mixing/large_array.h"
#include "mixing/probability.h"

namespace laconic::mixing {

template <size_t N>
class DirectSet {
public:
    // 2^bits lines.
    explicit DirectSet(unsigned bits) : shift_(32 - bits), lines_(kLine << bits) {}

    void prefetch(uint32_t hash) const { __builtin_prefetch(&lines_[place(hash)]); }
    void select(size_t c, uint32_t hash) { chosen_[c] = &lines_[place(hash)]; }

    // words[c] = P(1) after context c; `node`: a 1, then the bits of this nibble so far.
    void choose(uint32_t *words, unsigned node) const {
        for (size_t c = 0; c < N; ++c) words[c] = chosen_[c][node] ^ kUndecided;
    }

    // `words` have adapted to the bit.
    void update(const uint32_t *words, unsigned node) {
        for (size_t c = 0; c < N; ++c) chosen_[c][node] = words[c] ^ kUndecided;
    }

private:
    static constexpr size_t kLine = 16;
    size_t place(uint32_t hash) const { return (hash * 0x9E3779B1u >> shift_) * kLine; }

    unsigned shift_;
    LargeArray<uint32_t> lines_;  // differ from the probabilities by kUndecided, so that memory is touched only where it is used
    std::array<uint32_t *, N> chosen_{};
};

}  // namespace laconic::mixing
