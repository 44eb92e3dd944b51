// Codes the output of the Burrows-Wheeler transform: runs of equal bytes, each as its byte and its length, by binary decisions
// whose probabilities adapt and are mixed. The bytes of a place of the transform followed similar contexts of the text, so what
// helps to foresee the next are the last few runs and their frequencies at several rates of forgetting; the transform has moved
// all longer contexts into that. Large blocks are coded as two parts that know nothing of each other, for a decoder to work at
// both at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace laconic::text {

std::vector<uint8_t> encode_runs(std::span<const uint8_t> bytes);

// Fills `bytes`, or throws CorruptData.
void decode_runs(std::span<const uint8_t> stream, std::span<uint8_t> bytes);

}  // namespace laconic::text
