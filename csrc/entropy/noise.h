// Telling noise from symbols worth coding, from a sample: mantissas, ciphertext and compressed data pass at the speed of memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace laconic::entropy {

constexpr size_t kNoiseFrom = size_t{1} << 14;  // blocks below this size are counted whole

// Whether 4096 symbols, taken evenly in 64 runs, are as flat as noise is: then the block could not shrink by more than about 0.2
// %.
bool looks_like_noise(const uint8_t *symbols, size_t n);

}  // namespace laconic::entropy
