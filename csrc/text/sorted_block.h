// A block coded by sorting:
//
//     forms      u8: 1 = capitals were marked (text/capitals.h), 2 = long repeats were taken out (text/repeats.h), 3 = both, in
//     this order size       LEB128 of the form with marks, only where there are some: at most twice the block shortest   u8, the
//     bound of the repeats, and size       LEB128 of the form without them, only where they were taken out: less than before rows
//     of the Burrows-Wheeler transform (text/bwt.h), three bytes each, low byte first runs       of the transform
//     (text/bwt_coder.h)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace laconic::text {

// 1 .. kMaxBwtBytes bytes. Memory: 7 times the block and 12 MiB.
std::vector<uint8_t> encode_sorted(std::span<const uint8_t> bytes);

// Fills `bytes`, or throws CorruptData. Memory: 6 times the block and 12 MiB.
void decode_sorted(std::span<const uint8_t> stream, std::span<uint8_t> bytes);

}  // namespace laconic::text
