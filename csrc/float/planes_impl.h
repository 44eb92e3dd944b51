// The loops of planes.h, included by one file per instruction set: plain C++ that the compiler vectorises with that file's flags.
// Everything is in an anonymous namespace, so that no file's code can be linked into another's.
#pragma once

#include <bit>
#include <cstring>

#include "float/ordered.h"
#include "float/planes.h"

namespace laconic::floats {
namespace {

template <class T>
inline T load(const uint8_t *p, bool swap) {
    T x;
    std::memcpy(&x, p, sizeof x);
    if constexpr (sizeof(T) > 1) {
        if (swap) {
            if constexpr (sizeof(T) == 2) x = __builtin_bswap16(x);
            if constexpr (sizeof(T) == 4) x = __builtin_bswap32(x);
            if constexpr (sizeof(T) == 8) x = __builtin_bswap64(x);
        }
    }
    return x;
}

template <class T>
inline void store(uint8_t *p, T x, bool swap) {
    x = load<T>(reinterpret_cast<const uint8_t *>(&x), swap);
    std::memcpy(p, &x, sizeof x);
}

// Integers (rotate == 0) are not ordered: their difference modulo 2^w is what counts.
template <class T>
inline T zigzag(T d) {
    constexpr unsigned top = 8 * sizeof(T) - 1;
    return static_cast<T>((d << 1) ^ static_cast<T>(-(d >> top)));
}

template <class T>
inline T unzigzag(T z) {
    return static_cast<T>((z >> 1) ^ static_cast<T>(-(z & 1)));
}

template <class T>
inline T rotate_left(T x, unsigned bits) {
    constexpr unsigned w = 8 * sizeof(T);
    return bits == 0 ? x : static_cast<T>((x << bits) | (x >> (w - bits)));
}

// `Delta`, `Swap` and `Rotate` are compile-time so that the usual loops hold nothing but loads, shifts and stores.
template <class T, bool Delta, bool Swap, unsigned Rotate>
void split_loop(const uint8_t *__restrict raw, const uint8_t *__restrict base, size_t n, uint8_t *__restrict planes) {
    for (size_t i = 0; i < n; ++i) {
        T x = load<T>(raw + i * sizeof(T), Swap);
        if constexpr (Delta) {
            T b = load<T>(base + i * sizeof(T), Swap);
            if constexpr (Rotate != 0) x = to_ordered(x), b = to_ordered(b);
            x = zigzag(static_cast<T>(x - b));
        } else {
            x = rotate_left(x, Rotate);
        }
        for (unsigned k = 0; k < sizeof(T); ++k) planes[k * n + i] = static_cast<uint8_t>(x >> (8 * (sizeof(T) - 1 - k)));
    }
}

template <class T, bool Delta, bool Swap, unsigned Rotate>
void join_loop(const uint8_t *const *planes, const uint8_t *__restrict base, size_t n, uint8_t *__restrict raw) {
    const uint8_t *p[sizeof(T)];
    for (unsigned k = 0; k < sizeof(T); ++k) p[k] = planes[k];
    for (size_t i = 0; i < n; ++i) {
        T x = 0;
        for (unsigned k = 0; k < sizeof(T); ++k) x = static_cast<T>(x | static_cast<T>(T{p[k][i]} << (8 * (sizeof(T) - 1 - k))));
        if constexpr (Delta) {
            T b = load<T>(base + i * sizeof(T), Swap);
            if constexpr (Rotate != 0) b = to_ordered(b);
            x = static_cast<T>(unzigzag(x) + b);
            if constexpr (Rotate != 0) x = from_ordered(x);
        } else {
            x = rotate_left(x, Rotate == 0 ? 0 : 8 * sizeof(T) - Rotate);
        }
        store<T>(raw + i * sizeof(T), x, Swap);
    }
}

// Calls f<T, Delta, Swap, Rotate>() for a format; rotations other than 0, 1 and 4 do not occur (checked by the caller).
template <class F>
void with_format(const ElementFormat &format, bool delta, F &&f) {
    const bool swap = format.big_endian != (std::endian::native == std::endian::big);
    const auto rotated = [&]<class T, bool D, bool S>() {
        if (format.rotate == 0) f.template operator()<T, D, S, 0>();
        if constexpr (sizeof(T) > 1) {
            if (format.rotate == 1) f.template operator()<T, D, S, 1>();
            if (format.rotate == 4) f.template operator()<T, D, S, 4>();
        }
    };
    const auto typed = [&]<class T>() {
        if (delta && swap) rotated.template operator()<T, true, true>();
        if (delta && !swap) rotated.template operator()<T, true, false>();
        if (!delta && swap) rotated.template operator()<T, false, true>();
        if (!delta && !swap) rotated.template operator()<T, false, false>();
    };
    if (format.width == 1) typed.template operator()<uint8_t>();
    if (format.width == 2) typed.template operator()<uint16_t>();
    if (format.width == 4) typed.template operator()<uint32_t>();
    if (format.width == 8) typed.template operator()<uint64_t>();
}

[[maybe_unused]] void split_here(const uint8_t *raw, const uint8_t *base, size_t n, const ElementFormat &format,
                                 uint8_t *planes) {
    with_format(format, base != nullptr,
                [&]<class T, bool D, bool S, unsigned R>() { split_loop<T, D, S, R>(raw, base, n, planes); });
}

[[maybe_unused]] void join_here(const uint8_t *const *planes, const uint8_t *base, size_t n, const ElementFormat &format,
                                uint8_t *raw) {
    with_format(format, base != nullptr,
                [&]<class T, bool D, bool S, unsigned R>() { join_loop<T, D, S, R>(planes, base, n, raw); });
}

}  // namespace
}  // namespace laconic::floats
