// Sums of a row's weights, written once; each instruction set's file compiles it with its own flags. The unnamed namespace keeps
// them apart.
#pragma once

#include "entropy/categorical.h"

namespace laconic {
namespace {

template <class Float>
std::uint32_t weight_of(Float p) {
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(p * static_cast<Float>(kRowWeightOne)));
}

template <class Float>
bool block_sums(const Float *row, std::size_t alphabet, std::uint32_t *sums) {
    std::int32_t bad = 0;
    const auto add = [&](const Float *part, std::size_t n) {
        std::uint32_t sum = 0;
        for (std::size_t i = 0; i < n; ++i) {
            const Float p = part[i];
            const bool good = (p >= Float(0)) & (p <= Float(kMaxProbability));
            bad |= !good;
            sum += weight_of(good ? p : Float(0));
        }
        return sum;
    };
    std::size_t i = 0;
    for (; i + kBlock <= alphabet; i += kBlock) *sums++ = add(row + i, kBlock);
    if (i < alphabet) *sums = add(row + i, alphabet - i);
    return bad == 0;
}

template <class Float>
void edges(const Float *block, std::size_t live, std::size_t first, std::uint32_t before, Rescale slots, std::uint32_t *out) {
    for (std::size_t i = 0; i < live; ++i) {
        out[i] = slots(first + i, before);
        before += weight_of(block[i]);
    }
    out[live] = slots(first + live, before);
}

}  // namespace
}  // namespace laconic
