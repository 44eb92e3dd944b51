#include "entropy/noise.h"

namespace laconic::entropy {

namespace {

constexpr size_t kRuns = 64, kRunLength = 64, kSample = kRuns * kRunLength;

// For n draws of 256 equal symbols the sum of squared counts has mean n + n (n - 1) / 256 = 69,616 and standard deviation
// sqrt(2 * 255) * n / 256 = 361. Three deviations above it stand for an entropy 0.012 bit below 8.
constexpr uint32_t kFlat = 69616 + 3 * 361;

}  // namespace

bool looks_like_noise(const uint8_t *symbols, size_t n) {
    if (n < kNoiseFrom) return false;
    uint16_t counts[4][256] = {};  // four tables, so that equal neighbours do not wait for each other
    const size_t step = (n - kRunLength) / (kRuns - 1);
    for (size_t run = 0; run < kRuns; ++run) {
        const uint8_t *p = symbols + run * step;
        for (size_t i = 0; i < kRunLength; i += 4)
            for (size_t k = 0; k < 4; ++k) ++counts[k][p[i + k]];
    }
    uint32_t squares = 0;
    for (size_t s = 0; s < 256; ++s) {
        const uint32_t count = static_cast<uint32_t>(counts[0][s] + counts[1][s] + counts[2][s] + counts[3][s]);
        squares += count * count;
    }
    static_assert(kSample == 4096);
    return squares < kFlat;
}

}  // namespace laconic::entropy
