// What rows of probabilities need, written once: each instruction set's file compiles it with its own flags, or has something
// better. The unnamed namespace keeps them apart.
#pragma once

#include <bit>
#include <type_traits>

#include "entropy/categorical.h"

namespace laconic {
namespace {

template <class Float>
std::uint32_t weight_of(Float p) {
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(p * static_cast<Float>(kRowWeightOne)));
}

// Bits of floats from 0 to kMaxProbability compare as integers, and all others - negative, larger, not a number - lie outside.
// Integer operations only, so that compilers make vector code of the loop.
template <class Float>
bool block_sums(const Float *row, std::size_t alphabet, std::uint32_t *sums) {
    using Bits = std::conditional_t<sizeof(Float) == 4, std::uint32_t, std::uint64_t>;
    constexpr Bits kLargest = std::bit_cast<Bits>(static_cast<Float>(kMaxProbability));
    constexpr int kSign = 8 * sizeof(Float) - 1;
    Bits bad = 0;
    const auto add = [&](const Float *part, std::size_t n) {
        std::uint32_t sum = 0;
        for (std::size_t i = 0; i < n; ++i) {
            const Bits bits = std::bit_cast<Bits>(part[i] + Float(0));  // -0 + 0 is 0
            const Bits outside = (bits | (kLargest - bits)) >> kSign;
            bad |= outside;
            sum += weight_of(std::bit_cast<Float>(bits & (outside - 1)));
        }
        return sum;
    };
    std::size_t i = 0;
    for (; i + kBlock <= alphabet; i += kBlock) *sums++ = add(row + i, kBlock);
    if (i < alphabet) *sums = add(row + i, alphabet - i);
    return bad == 0;
}

// Without branches: where the slot lies is as good as random.
inline std::size_t last_block(const std::uint32_t *before, std::size_t blocks, Rescale slots, std::uint32_t slot) {
    std::size_t block = 0;
    for (std::size_t count = blocks; count > 1;) {
        const std::size_t half = count / 2;
        block += half & (std::size_t{0} - (slots((block + half) * kBlock, before[block + half]) <= slot));
        count -= half;
    }
    return block;
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
