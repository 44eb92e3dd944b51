// What symbols would take with one table: for choices of an encoder that need no exact size.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "entropy/log2_fixed.h"

namespace laconic::floats {

constexpr uint64_t kSymbolCost = 6;  // bits that a table pays for a symbol that occurs, about

// In 2^-24 bit, of n < 2^32 symbols with these counts, table included; at most what `bits` a symbol take.
template <class Counts>
uint64_t order0_cost(const Counts &counts, uint32_t n, unsigned bits = 8) {
    static const entropy::Log2Fixed log2;
    if (n == 0) return 0;
    uint64_t cost = 0;
    const uint64_t whole = log2(n);
    for (const uint32_t count : counts)
        if (count != 0) cost += count * (whole - log2(count)) + (kSymbolCost << entropy::kLogBits);
    return std::min(cost, uint64_t{n} * bits << entropy::kLogBits);
}

inline size_t whole_bytes(uint64_t cost) { return static_cast<size_t>((cost >> entropy::kLogBits) / 8 + 1); }

}  // namespace laconic::floats
