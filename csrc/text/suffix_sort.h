// Suffix arrays in linear time by induced sorting: SA-IS (G. Nong, S. Zhang, W. H. Chan, "Two efficient algorithms for linear
// time suffix array construction", 2011), with 32-bit indexes and one array of n of them as the only large memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace laconic::text {

constexpr size_t kMaxSortedBytes = (size_t{1} << 31) - 1;

// order[k] = start of the k-th smallest suffix of `bytes`; a suffix is smaller than what it is a prefix of. The two have the same
// size, at most kMaxSortedBytes.
void sort_suffixes(std::span<const uint8_t> bytes, std::span<int32_t> order);

}  // namespace laconic::text
