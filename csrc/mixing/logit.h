// The logistic domain (logistic.h) with wider bounds, so that a prediction can cost less than 1/1000 of a bit.
//
//     probability_of(x) = 65536 / (1 + e^(-x / 256)),  -3071 <= x <= 3071   ->  1 .. 65535
//     logit_of(p)       = its inverse on 4096 steps                          -> -2308 .. 2308
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "mixing/logistic.h"

namespace laconic::mixing {

constexpr int kLogitBound = 3071;

namespace detail {

inline constexpr auto kProbabilities = make_squash<kLogitBound>();

// With a number before the first, so that vector gathers of 32 bits end with the one that is meant.
inline constexpr auto kBeforeLogits = [] {
    std::array<int16_t, 4097> table{};
    size_t i = 0;
    for (const int16_t logit : make_stretch<kLogitBound>()) table[++i] = logit;
    return table;
}();

}  // namespace detail

inline int probability_of(int logit) { return detail::kProbabilities[static_cast<size_t>(logit + kLogitBound)]; }
inline int logit_of(uint32_t p16) { return detail::kBeforeLogits[(p16 >> 4) + 1]; }

}  // namespace laconic::mixing
