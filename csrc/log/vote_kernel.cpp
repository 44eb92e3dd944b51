#include "log/vote_kernel.h"

namespace laconic::logs {

Logistic::Logistic() {
    // e^(-k / 256) in 1/2^32, by repeated multiplication: the same integers everywhere, and no libm.
    constexpr uint64_t kStep = 4278222805u;  // e^(-1/256) * 2^32
    uint64_t power = uint64_t{1} << 32;
    for (int k = 0; k <= 2048; ++k) {
        const auto p = static_cast<uint32_t>((uint64_t{65536} << 32) / ((uint64_t{1} << 32) + power));
        const uint32_t high = p > 65535 ? 65535 : p;
        if (k < 2048) squash[static_cast<size_t>(2048 + k)] = static_cast<uint16_t>(high);
        squash[static_cast<size_t>(2048 - k)] = static_cast<uint16_t>(65536 - high);
        power = power * kStep >> 32;
    }
    // The inverse at the middle of each step of 16.
    int x = -2047;
    for (int p = 0; p < 4096; ++p) {
        while (x < 2047 && squash[static_cast<size_t>(x + 2048)] < p * 16 + 8) ++x;
        stretch[static_cast<size_t>(p)] = x;
    }
}

Adaptation::Adaptation() {
    for (uint32_t count = 0; count < 256; ++count)
        by_count[count] = (2 * 32768 / (2 * count + 3)) << 16 | 256 * 4 * count / (4 * count + 3);
}

const Logistic kLogistic;
const Adaptation kAdaptation;

}  // namespace laconic::logs
