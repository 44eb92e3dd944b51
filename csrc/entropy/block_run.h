// Blocks of runs of one symbol: the gaps between the others, and the others.
#pragma once

#include <cstddef>
#include <cstdint>

#include "entropy/histogram.h"

namespace laconic::entropy {

// Each of the two lists is a block of its own. 0 when that takes `most` bytes or more.
size_t encode_run(const uint8_t *symbols, size_t n, const ByteCounts &counts, uint8_t dominant, size_t most, uint8_t *out);

// data begins behind the first byte.
void decode_run(const uint8_t *data, size_t size, uint8_t *symbols, size_t n);

}  // namespace laconic::entropy
