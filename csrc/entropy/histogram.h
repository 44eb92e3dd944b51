// Counts of byte symbols.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace laconic::entropy {

using ByteCounts = std::array<uint32_t, 256>;

void count_bytes(const uint8_t *symbols, size_t n, ByteCounts &counts);  // counts is overwritten; n < 2^32

// Counts of about a quarter of the symbols: 256 of every 1024, at a place that moves from one 1024 to the next, so that no
// period of the data hides symbols. Enough to fit a table of 8 bits. Returns how many were counted; nothing of less than 1024.
size_t count_bytes_sampled(const uint8_t *symbols, size_t n, ByteCounts &counts);

}  // namespace laconic::entropy
