// Loads and stores of elements in the file's byte order (little-endian).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace laconic::checkpoint {

// Always inlined: files with flags of their own include this, and none of their code may be linked into another's.
template <class T>
[[gnu::always_inline]] inline T load(const uint8_t *p) {
    T x;
    std::memcpy(&x, p, sizeof x);
    if constexpr (std::endian::native == std::endian::big && sizeof(T) > 1) {
        if constexpr (sizeof(T) == 2) x = static_cast<T>(__builtin_bswap16(x));
        if constexpr (sizeof(T) == 4) x = static_cast<T>(__builtin_bswap32(x));
        if constexpr (sizeof(T) == 8) x = static_cast<T>(__builtin_bswap64(x));
    }
    return x;
}

template <class T>
[[gnu::always_inline]] inline void store(uint8_t *p, T x) {
    x = load<T>(reinterpret_cast<const uint8_t *>(&x));
    std::memcpy(p, &x, sizeof x);
}

[[gnu::always_inline]] inline float load_float(const uint8_t *p) { return std::bit_cast<float>(load<uint32_t>(p)); }
[[gnu::always_inline]] inline void store_float(uint8_t *p, float x) { store(p, std::bit_cast<uint32_t>(x)); }

}  // namespace laconic::checkpoint
