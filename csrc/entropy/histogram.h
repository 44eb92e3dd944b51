// Counts of byte symbols.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace laconic::entropy {

using ByteCounts = std::array<uint32_t, 256>;

void count_bytes(const uint8_t *symbols, size_t n, ByteCounts &counts);  // counts is overwritten; n < 2^32

}  // namespace laconic::entropy
