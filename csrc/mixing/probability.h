// Adaptive probabilities, indexed by a context: 22 bits of P(1) and a 10-bit count that sets the rate 1 / (count + 1.5).
//
//     p' = p + ((((bit ? 2^22 - 1 : 0) - p) >> 6) * rate(count) >> 10),   count' = min(count + 1, limit)
#pragma once

#include <cstdint>

namespace laconic::mixing {

// floor(65536 / (n + 1.5)) for n = 0 .. 1023, at most 32767 so that products stay within 32 bits. A number before the first, so
// that vector gathers of 32 bits end with the one that is meant.
struct Rates {
    uint16_t before_of[1025];
    constexpr Rates() : before_of{} {
        for (uint32_t n = 0; n < 1024; ++n) before_of[n + 1] = static_cast<uint16_t>(n == 0 ? 32767 : 2 * 65536 / (2 * n + 3));
    }
};
inline constexpr Rates kRates{};

// A probability as one word: p << 10 | count.
inline constexpr uint32_t adaptive(uint32_t p16) { return p16 << 16; }
inline constexpr uint32_t kUndecided = uint32_t{1} << 31;

// `limit` (at most 1023) bounds the count: low forgets fast, high converges.
inline uint32_t adapted(uint32_t word, int bit, uint32_t limit) {
    const uint32_t n = word & 1023;
    const auto p = static_cast<int32_t>(word >> 10);
    const int32_t way = ((-bit & ((1 << 22) - 1)) - p) >> 6;
    const int32_t moved = p + (way * kRates.before_of[n + 1] >> 10);
    return static_cast<uint32_t>(moved) << 10 | (n < limit ? n + 1 : n);
}

// The lowest bit of p may be a mark instead, which adapting keeps.
inline constexpr uint32_t kMark = 1 << 10;
inline uint32_t adapted_marked(uint32_t word, int bit, uint32_t limit) {
    return (adapted(word, bit, limit) & ~kMark) | (word & kMark);
}

}  // namespace laconic::mixing
