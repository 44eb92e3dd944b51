// The order of all suffixes in linear time by induced sorting: SA-IS (G. Nong, S. Zhang, W. H. Chan, "Two efficient algorithms
// for linear time suffix array construction", 2011), with 32-bit indexes and one array of n of them as the only large memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace laconic::text {

constexpr size_t kMaxSortedBytes = (size_t{1} << 31) - 1;

// Writes the byte before each suffix, in the order of the suffixes, to `out`: first that of the empty suffix, after the end of
// the text; the whole text, which has none before it, is left out. A suffix is smaller than what it is a prefix of. places[j] = k
// for the suffix at j * stride, which is the k-th smallest, not counting the empty one; the stride is a power of two. `bytes`,
// `work` and `out` have the same size, 1 .. kMaxSortedBytes.
void transform_by_sorting(std::span<const uint8_t> bytes, std::span<int32_t> work, size_t stride, uint8_t *out, uint32_t *places);

}  // namespace laconic::text
