// The logistic domain in integers: probabilities as 16-bit numbers, their logits ("stretched") in units of 1/256.
//
//     squash(x)  = 65536 / (1 + e^(-x / 256)),  -2047 <= x <= 2047   ->  1 .. 65535
//     stretch(p) = its inverse on 4096 steps                          -> -2047 .. 2047
//
// The tables are made by integer arithmetic alone (a power of e^(-1/256) in fixed point), so they are the same everywhere.
#pragma once

#include <array>
#include <cstdint>

namespace laconic::mixing {

constexpr int kLogitMax = 2047;
constexpr int kProbabilityBits = 16;
constexpr int kProbabilityOne = 1 << kProbabilityBits;

namespace detail {

// floor(a * b / 2^62) for a, b <= 2^62, by 32-bit halves: constant expressions have no 128-bit integers in standard C++.
constexpr uint64_t multiply_q62(uint64_t a, uint64_t b) {
    const uint64_t a1 = a >> 32, a0 = a & 0xffffffff, b1 = b >> 32, b0 = b & 0xffffffff;
    const uint64_t middle = a1 * b0 + (a0 * b0 >> 32) + (a0 * b1 & 0xffffffff);
    const uint64_t high = a1 * b1 + (a0 * b1 >> 32) + (middle >> 32);
    return high << 2 | (middle & 0xffffffff) >> 30;
}

template <int kMax>
constexpr std::array<uint16_t, 2 * kMax + 1> make_squash() {
    constexpr uint64_t one = uint64_t{1} << 62;
    constexpr uint64_t step = 4593706758521714574;  // e^(-1/256) * 2^62
    std::array<uint16_t, 2 * kMax + 1> table{};
    uint64_t power = one;  // e^(-x/256)
    for (int x = 0; x <= kMax; ++x) {
        // 65536 / (1 + power), rounded, with power to 40 bits.
        const uint64_t denominator = (uint64_t{1} << 40) + (power >> 22);
        uint64_t p = ((uint64_t{1} << 57) / denominator + 1) >> 1;
        if (p > 65535) p = 65535;
        table[static_cast<size_t>(kMax + x)] = static_cast<uint16_t>(p);
        table[static_cast<size_t>(kMax - x)] = static_cast<uint16_t>(65536 - p);
        power = multiply_q62(power, step);
    }
    return table;
}

inline constexpr auto kSquash = make_squash<kLogitMax>();

// The inverse of make_squash on 4096 steps: the first x whose probability reaches the middle of the step.
template <int kMax>
constexpr std::array<int16_t, 4096> make_stretch() {
    const auto squash = make_squash<kMax>();
    std::array<int16_t, 4096> table{};
    int x = -kMax;
    for (int i = 0; i < 4096; ++i) {
        while (x < kMax && squash[static_cast<size_t>(x + kMax)] < 16 * i + 8) ++x;
        table[static_cast<size_t>(i)] = static_cast<int16_t>(x);
    }
    return table;
}

inline constexpr auto kStretch = make_stretch<kLogitMax>();

}  // namespace detail

inline int squash(int x) {
    x = x > kLogitMax ? kLogitMax : x < -kLogitMax ? -kLogitMax : x;
    return detail::kSquash[static_cast<size_t>(x + kLogitMax)];
}

inline int stretch(int p16) { return detail::kStretch[static_cast<size_t>(p16 >> 4)]; }

}  // namespace laconic::mixing
