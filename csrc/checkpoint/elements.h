// Float elements as integers: loads and stores in the file's byte order (little-endian), exponents, and the order of the values.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "float/ordered.h"

namespace laconic::checkpoint {

using floats::from_ordered;
using floats::to_ordered;

enum class Format : uint8_t { bf16 = 0, fp16 = 1, fp32 = 2 };

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

template <class T, unsigned ExponentBits>
struct Float {
    using Bits = T;
    static constexpr unsigned kExponentBits = ExponentBits;
    static constexpr unsigned kMantissaBits = 8 * sizeof(T) - 1 - ExponentBits;
    static unsigned exponent(T x) { return (x >> kMantissaBits) & ((1u << ExponentBits) - 1); }
};

using Bf16 = Float<uint16_t, 8>;
using Fp16 = Float<uint16_t, 5>;
using Fp32 = Float<uint32_t, 8>;

inline size_t width_of(Format format) { return format == Format::fp32 ? 4 : 2; }

// Calls f.operator()<Float>() for a format.
template <class F>
decltype(auto) with_format(Format format, F &&f) {
    switch (format) {
        case Format::bf16:
            return f.template operator()<Bf16>();
        case Format::fp16:
            return f.template operator()<Fp16>();
        case Format::fp32:
            return f.template operator()<Fp32>();
    }
    throw std::invalid_argument("no such float format");
}

}  // namespace laconic::checkpoint
