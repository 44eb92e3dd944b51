// Where a block's statistics change: runs of symbols that deserve a table of their own, such as the tensors of a small model that
// share a frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "entropy/histogram.h"

namespace laconic::entropy {

constexpr size_t kSegmentRow = 256;  // segments begin at multiples of this many symbols

struct Segment {
    size_t n;           // symbols
    ByteCounts counts;  // of `counted` of them: all, or a sample
    size_t counted;
};

// Cuts symbols[0, n), n > 0, into segments so that the sizes with a table each, plus the tables, are small. Sampled: looks at a
// part of the symbols only, for speed. The same symbols give the same segments on every machine.
std::vector<Segment> find_segments(const uint8_t *symbols, size_t n, bool sampled);

}  // namespace laconic::entropy
