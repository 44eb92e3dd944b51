// Blocks of profile A: which symbols get slots, the list of those that get none, and the header.
#pragma once

#include <cstddef>
#include <cstdint>

#include "entropy/block_format.h"
#include "entropy/histogram.h"

namespace laconic::entropy {

struct PlanA {
    Freqs freqs;
    uint8_t stand_in;  // the most frequent symbol, coded where an escape stands
    size_t size;       // estimated; SIZE_MAX when A can't code this
};

// counts may be of a sample; total is their sum.
PlanA plan_a(const ByteCounts &counts, size_t total);

// The block's size; 0 when it does not fit, or when escapes take most_escape_bytes.
size_t encode_a(const uint8_t *symbols, size_t n, const PlanA &plan, size_t most_escape_bytes, uint8_t *out);

// data begins behind the first byte.
void decode_a(const uint8_t *data, size_t size, unsigned precision, uint8_t *symbols, size_t n);

}  // namespace laconic::entropy
