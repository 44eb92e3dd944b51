// 64-bit hashes of short byte strings and of pairs of numbers. They choose contexts and find equal lines, so they are part of the
// format (codecs/logs/FORMAT.md): a change of them is a new version of the payload.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace laconic::logs {

// The finalizer of a 64-bit multiplicative hash: the multiplication moves low bits up, the shift brings the mixed ones down.
inline uint64_t mix(uint64_t x) {
    x *= 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

inline uint64_t mix(uint64_t a, uint64_t b) { return mix(mix(a) + b); }

// Eight bytes at a time, little-endian; the tail is padded with zeros and the size goes in first.
inline uint64_t hash_bytes(const uint8_t *data, size_t size, uint64_t seed = 0) {
    uint64_t h = mix(seed, size);
    for (; size >= 8; data += 8, size -= 8) {
        uint64_t word;
        std::memcpy(&word, data, 8);
        h = mix(h + word);
    }
    if (size) {
        uint64_t word = 0;
        for (size_t k = 0; k < size; ++k) word |= static_cast<uint64_t>(data[k]) << 8 * k;
        h = mix(h + word);
    }
    return h;
}

}  // namespace laconic::logs
