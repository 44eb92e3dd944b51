// Unsigned LEB128 numbers, bounds-checked.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "entropy/error.h"

namespace laconic::logs {

inline void put_varint(std::vector<uint8_t> &out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<uint8_t>(value | 0x80));
    out.push_back(static_cast<uint8_t>(value));
}

inline uint64_t get_varint(std::span<const uint8_t> &in) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (in.empty()) throw CorruptData("a log payload ends within a number");
        const uint8_t byte = in.front();
        in = in.subspan(1);
        value |= static_cast<uint64_t>(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
    throw CorruptData("a number in a log payload is too long");
}

}  // namespace laconic::logs
