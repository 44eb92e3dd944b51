// log2 in fixed point by integers alone, so that an encoder's choices are the same on every machine.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace laconic::entropy {

constexpr unsigned kLogBits = 24;  // fraction bits of every size estimate: sizes are counted in 2^-24 bit

namespace detail {

constexpr unsigned kLogIndexBits = 12;

// Fractions of log2 over [1, 2] at 2^12 + 1 points, by repeated squaring of the mantissa (Knuth, TAOCP vol. 1, 1.2.2, exercise
// 25).
inline const uint32_t *log2_fractions() {
    static const std::vector<uint32_t> table = [] {
        std::vector<uint32_t> t((1u << kLogIndexBits) + 1);
        for (uint32_t i = 0; i < (1u << kLogIndexBits); ++i) {
            uint64_t mantissa = (uint64_t{1} << 31) | static_cast<uint64_t>(i)
                                                          << (31 - kLogIndexBits);  // in [1, 2) with 31 fraction bits
            uint32_t fraction = 0;
            for (unsigned bit = 0; bit < kLogBits; ++bit) {
                mantissa = (mantissa * mantissa) >> 31;
                fraction <<= 1;
                if (mantissa >> 32) {
                    fraction |= 1;
                    mantissa >>= 1;
                }
            }
            t[i] = fraction;
        }
        t[1u << kLogIndexBits] = 1u << kLogBits;
        return t;
    }();
    return table.data();
}

}  // namespace detail

// 2^24 * log2(value), value >= 1, rounded down; exact in the table's points (every value below 2^13), interpolated between them.
class Log2Fixed {
public:
    Log2Fixed() : fractions_(detail::log2_fractions()) {}

    uint32_t operator()(uint32_t value) const {
        constexpr unsigned rest_bits = 31 - detail::kLogIndexBits;
        const unsigned zeros = std::countl_zero(value);
        const uint32_t mantissa = (value << zeros) & 0x7fffffff;
        const uint32_t index = mantissa >> rest_bits;
        const uint64_t rest = mantissa & ((1u << rest_bits) - 1);
        const uint32_t low = fractions_[index];
        return ((31 - zeros) << kLogBits) + low + static_cast<uint32_t>((rest * (fractions_[index + 1] - low)) >> rest_bits);
    }

private:
    const uint32_t *fractions_;
};

}  // namespace laconic::entropy
