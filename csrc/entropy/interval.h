// What a model and a coder say to each other: a symbol is an interval of 2^24 slots.
#pragma once

#include <cstdint>

namespace laconic {

inline constexpr int kProbBits = 24;
inline constexpr std::uint32_t kTotal = 1u << kProbBits;

// The slots [start, start + freq) of kTotal; probability freq / 2^24. 0 < freq, start + freq <= kTotal.
struct Interval {
    std::uint32_t start;
    std::uint32_t freq;
};

// Models with a window (see Model::escape) give these slots to "a symbol outside the window", probability 2^-16.
inline constexpr std::uint32_t kEscapeFreq = 256;
inline constexpr std::uint32_t kEscapeStart = kTotal - kEscapeFreq;

inline constexpr bool is_escape(Interval v) { return v.start == kEscapeStart && v.freq == kEscapeFreq; }

}  // namespace laconic
