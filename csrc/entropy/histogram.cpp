#include "entropy/histogram.h"

#include <cstring>

namespace laconic::entropy {

// Four tables, so that a run of equal symbols does not wait for its own store each time.
void count_bytes(const uint8_t *symbols, size_t n, ByteCounts &counts) {
    uint32_t parts[4][256] = {};
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t eight;
        std::memcpy(&eight, symbols + i, 8);
        for (unsigned k = 0; k < 8; ++k) ++parts[k % 4][(eight >> (8 * k)) & 0xff];
    }
    for (; i < n; ++i) ++parts[0][symbols[i]];
    for (unsigned s = 0; s < 256; ++s) counts[s] = parts[0][s] + parts[1][s] + parts[2][s] + parts[3][s];
}

}  // namespace laconic::entropy
