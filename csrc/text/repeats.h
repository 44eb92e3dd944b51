// Takes long repeats out of a block before it is modelled, so that redundant input becomes smaller and quicker to code. Where the
// last eight bytes were seen before and at least `shortest` bytes follow as they did then, an escape and the length stand in
// their place (LZP, C. Bloom 1996): the place needs no coding, and the model after it learns where escapes are likely.
//
// Form: `escape`, the byte that the block has least of, then the block. Wherever eight bytes have a candidate, the last place
// with their hash, an escape byte is followed by 0 for itself, or by one or more bytes for a copy: each 255 adds 254 to the
// length, the last one, 1 .. 254, adds itself - 1 + shortest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace laconic::text {

constexpr size_t kShortestCopy = 24, kLongestShortestCopy = 255;

// Blocks of less than 4 GiB; `shortest` within the bounds above.
std::vector<uint8_t> remove_repeats(std::span<const uint8_t> bytes, size_t shortest);

// Fills `bytes` exactly, or throws CorruptData.
void restore_repeats(std::span<const uint8_t> form, size_t shortest, std::span<uint8_t> bytes);

}  // namespace laconic::text
