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
    bool exact = false;  // the counts are those of the segment's symbols
};

// Counts of equal runs of symbols[0, n), n > 0. Sampled: looks at a part of the symbols only, for speed.
class Granules {
public:
    Granules(const uint8_t *symbols, size_t n, bool sampled);

    // Cuts the symbols into segments so that the sizes with a table each, plus the tables, are small. The same symbols give the
    // same segments on every machine.
    std::vector<Segment> segments() const;

    // Of symbols[first, first + n), counted again only where the runs are others.
    Granules part(size_t first, size_t n) const;

private:
    Granules() = default;

    const uint8_t *symbols_ = nullptr;
    size_t n_ = 0, run_ = 0;
    bool sampled_ = false;
    std::vector<Segment> runs_;
};

}  // namespace laconic::entropy
