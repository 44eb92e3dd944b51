// Adaptive probabilities, indexed by a context: 22 bits of P(1) and a 10-bit count that sets the rate 1 / (count + 1.5).
#pragma once

#include <cstdint>
#include <memory>

namespace laconic::mixing {

// floor(65536 / (n + 1.5)) for n = 0 .. 1023.
struct Reciprocals {
    uint16_t of[1024];
    constexpr Reciprocals() : of{} {
        for (uint32_t n = 0; n < 1024; ++n) of[n] = static_cast<uint16_t>(2 * 65536 / (2 * n + 3));
    }
};
inline constexpr Reciprocals kReciprocals{};

class AdaptiveProbability {
public:
    void start(uint32_t p16) { word_ = p16 << 16; }
    int p16() const { return static_cast<int>(word_ >> 16); }
    // `limit` (at most 1023) bounds the count: low forgets fast, high converges.
    void update(int bit, uint32_t limit) {
        const uint32_t n = word_ & 1023;
        const int32_t p22 = static_cast<int32_t>(word_ >> 10);
        const int32_t target = bit ? (1 << 22) - 1 : 0;
        const int32_t moved = p22 + static_cast<int32_t>((static_cast<int64_t>(target - p22) * kReciprocals.of[n]) >> 16);
        word_ = static_cast<uint32_t>(moved) << 10 | (n < limit ? n + 1 : n);
    }

private:
    uint32_t word_ = uint32_t{1} << 31;
};

}  // namespace laconic::mixing
