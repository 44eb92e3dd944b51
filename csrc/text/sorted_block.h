// A block coded by sorting: perhaps with capitals marked (text/capitals.h) and long repeats taken out (text/repeats.h), then the
// rows of its Burrows-Wheeler transform (text/bwt.h) and the runs (text/bwt_coder.h). codecs/bytes/FORMAT.md has the layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace laconic::text {

// 1 .. kMaxBwtBytes bytes. Memory: 7 times the block and 16 MiB.
std::vector<uint8_t> encode_sorted(std::span<const uint8_t> bytes);

// Fills `bytes`, or throws CorruptData. Memory: 6 times the block and 4 MiB.
void decode_sorted(std::span<const uint8_t> stream, std::span<uint8_t> bytes);

}  // namespace laconic::text
