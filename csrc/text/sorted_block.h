// A block coded by sorting: the rows of the Burrows-Wheeler transform (text/bwt.h), three bytes each, low byte first, then its
// runs (text/bwt_coder.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace laconic::text {

// 1 .. kMaxBwtBytes bytes. Memory: 6 times the block and 12 MiB.
std::vector<uint8_t> encode_sorted(std::span<const uint8_t> bytes);

// Fills `bytes`, or throws CorruptData. Memory: 5 times the block and 12 MiB.
void decode_sorted(std::span<const uint8_t> stream, std::span<uint8_t> bytes);

}  // namespace laconic::text
