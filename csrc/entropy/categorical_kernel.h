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

inline std::size_t blocks_of(std::size_t alphabet) { return (alphabet + kBlock - 1) / kBlock; }

// The sums of blocks that follow before[0] to the weights before them.
inline bool sum_up(std::size_t blocks, std::uint32_t *before) {
    std::uint64_t sum = 0;  // a block's sum stays below 2^32, the row's might not
    before[0] = 0;
    for (std::size_t b = 1; b <= blocks; ++b) before[b] = static_cast<std::uint32_t>(sum += before[b]);
    return sum <= kMaxRowWeight;
}

template <class Float>
bool sum(const Float *row, std::size_t alphabet, std::uint32_t *before) {
    return block_sums(row, alphabet, before + 1) && sum_up(blocks_of(alphabet), before);
}

// C(first + i) for i = 0 .. live, of which there are up to kBlock: returned.
template <class Float>
std::size_t edges(const Float *row, const std::uint32_t *before, Rescale slots, std::size_t block, std::uint32_t *out) {
    const std::size_t first = block * kBlock, live = slots.alphabet() - first < kBlock ? slots.alphabet() - first : kBlock;
    std::uint32_t weight = before[block];
    for (std::size_t i = 0; i < live; ++i) {
        out[i] = slots(first + i, weight);
        weight += weight_of(row[first + i]);
    }
    out[live] = slots(first + live, weight);
    return live;
}

template <class Float>
Interval interval(const Float *row, const std::uint32_t *before, Rescale slots, std::size_t symbol) {
    std::uint32_t at[kBlock + 1];
    edges(row, before, slots, symbol / kBlock, at);
    const std::uint32_t *const edge = at + symbol % kBlock;
    return {edge[0], edge[1] - edge[0]};
}

// The last block whose first symbol's slots begin at or below the slot. Without branches: where it lies is as good as random.
inline std::size_t last_block(const std::uint32_t *before, Rescale slots, std::uint32_t slot) {
    std::size_t block = 0;
    for (std::size_t count = blocks_of(slots.alphabet()); count > 1;) {
        const std::size_t half = count / 2;
        block += half & (std::size_t{0} - (slots((block + half) * kBlock, before[block + half]) <= slot));
        count -= half;
    }
    return block;
}

template <class Float>
std::size_t locate_in(const Float *row, const std::uint32_t *before, Rescale slots, std::uint32_t slot, std::size_t block,
                      Interval &out) {
    std::uint32_t at[kBlock + 1];
    const std::size_t live = edges(row, before, slots, block, at);
    std::size_t k = 0;
    for (std::size_t i = 1; i < live; ++i) k += at[i] <= slot;
    out = {at[k], at[k + 1] - at[k]};
    return block * kBlock + k;
}

template <class Float, auto find_block = last_block>
std::size_t locate(const Float *row, const std::uint32_t *before, Rescale slots, std::uint32_t slot, Interval &out) {
    return locate_in(row, before, slots, slot, find_block(before, slots, slot), out);
}

}  // namespace
}  // namespace laconic
