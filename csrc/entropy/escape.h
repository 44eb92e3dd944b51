// How the distance of an escaped symbol is coded, by any coder, right after the escape itself: six bits say how many bits value +
// 1 has (Elias' gamma code with a fixed-length prefix), then come its bits below the first, in pieces of at most 16.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "entropy/error.h"
#include "entropy/interval.h"

namespace laconic {

inline constexpr int kEscapePrefixBits = 6;
inline constexpr int kEscapePieceBits = 16;
inline constexpr int kEscapeMaxWidth = 40;     // symbols and means stay below 2^33
inline constexpr int kEscapeMaxIntervals = 4;  // prefix, 16 + 16 + 7 bits

// `bits` bits as slots: all values equally probable.
inline constexpr Interval uniform_interval(std::uint32_t value, int bits) {
    return {value << (kProbBits - bits), 1u << (kProbBits - bits)};
}

// In decoding order; returns how many of `out` are used.
inline int escape_intervals(std::uint64_t value, Interval out[kEscapeMaxIntervals]) {
    const std::uint64_t v = value + 1;
    const int width = std::bit_width(v);
    int count = 0;
    out[count++] = uniform_interval(static_cast<std::uint32_t>(width), kEscapePrefixBits);
    for (int left = width - 1; left > 0;) {
        const int piece = std::min(left, kEscapePieceBits);
        left -= piece;
        out[count++] = uniform_interval(static_cast<std::uint32_t>(v >> left) & ((1u << piece) - 1), piece);
    }
    return count;
}

// pop_bits(b) decodes b <= 16 equally probable bits.
template <class PopBits>
std::uint64_t read_escape(PopBits &&pop_bits) {
    const int width = static_cast<int>(pop_bits(kEscapePrefixBits));
    if (width < 1 || width > kEscapeMaxWidth) throw CorruptData("an escaped symbol has an impossible length");
    std::uint64_t v = 1;
    for (int left = width - 1; left > 0;) {
        const int piece = std::min(left, kEscapePieceBits);
        left -= piece;
        v = v << piece | pop_bits(piece);
    }
    return v - 1;
}

}  // namespace laconic
