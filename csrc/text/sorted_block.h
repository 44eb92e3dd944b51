// A block coded by sorting:
//
//     shortest   u8: 0, or long repeats were taken out with this bound (text/repeats.h), and what follows codes what was left
//     size       LEB128 of that form, only where shortest > 0; less than the block's
//     rows       of the Burrows-Wheeler transform (text/bwt.h), three bytes each, low byte first
//     runs       of the transform (text/bwt_coder.h)
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
