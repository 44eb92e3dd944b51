// Blocks of profile A: which symbols get slots, the list of those that get none, and the header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

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

// Symbols with a table of their own; all segments of a block but the last hold whole rows.
struct SegmentA {
    size_t n;
    PlanA plan;
};

// The block's size; 0 when it does not fit, or when escapes take most_escape_bytes.
size_t encode_a(const uint8_t *symbols, std::span<const SegmentA> segments, size_t most_escape_bytes, uint8_t *out);

// data begins behind the first byte.
void decode_a(const uint8_t *data, size_t size, unsigned precision, bool segmented, uint8_t *symbols, size_t n);

}  // namespace laconic::entropy
