// The loops of delta.h, included by one file per instruction set like planes_impl.h.
#pragma once

#include <bit>

#include "float/delta.h"
#include "float/planes_impl.h"
#include "float/planes_isa.h"

namespace laconic::floats {
namespace {

template <class T, bool Swap, unsigned Rotate>
void differences_loop(const uint8_t *__restrict raw, const uint8_t *__restrict base, size_t n, uint8_t *__restrict zigzags) {
    for (size_t i = 0; i < n; ++i) {
        T x = load<T>(raw + i * sizeof(T), Swap), b = load<T>(base + i * sizeof(T), Swap);
        if constexpr (Rotate != 0) x = to_ordered(x), b = to_ordered(b);
        store<T>(zigzags + i * sizeof(T), zigzag(static_cast<T>(x - b)), false);
    }
}

template <class T, bool Swap, unsigned Rotate>
void add_differences_loop(const uint8_t *__restrict zigzags, const uint8_t *__restrict base, size_t n, uint8_t *__restrict raw) {
    for (size_t i = 0; i < n; ++i) {
        T b = load<T>(base + i * sizeof(T), Swap);
        if constexpr (Rotate != 0) b = to_ordered(b);
        T x = static_cast<T>(unzigzag(load<T>(zigzags + i * sizeof(T), false)) + b);
        if constexpr (Rotate != 0) x = from_ordered(x);
        store<T>(raw + i * sizeof(T), x, Swap);
    }
}

template <class T, bool Swap, unsigned Rotate>
void contexts_loop(const uint8_t *__restrict base, size_t n, uint8_t *__restrict contexts) {
    for (size_t i = 0; i < n; ++i) {
        const T y = rotate_left(load<T>(base + i * sizeof(T), Swap), Rotate);
        contexts[i] = static_cast<uint8_t>(Rotate == 0 ? 0 : y >> (8 * (sizeof(T) - 1)));
    }
}

// The exponent and the first two mantissa bits of z as fp32 are its token. A bit that could round up into them is cleared first.
template <class T>
void tokens_loop(const uint8_t *__restrict zigzags, size_t n, uint8_t *__restrict tokens) {
    for (size_t i = 0; i < n; ++i) {
        const T z = load<T>(zigzags + i * sizeof(T), false);
        if constexpr (sizeof(T) == 8) {
            tokens[i] = token_of(z);
        } else {
            const uint32_t wide = z;
            const uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(wide & ~(wide >> 8)));
            const uint32_t direct = wide < kDirect ? ~0u : 0u;  // no branch: a conversion under a condition is not vectorised
            tokens[i] = static_cast<uint8_t>((wide & direct) | (((bits >> 21) - (4 * (127 + 4) - kDirect)) & ~direct));
        }
    }
}

template <class T>
void widen_loop(const uint8_t *__restrict tokens, size_t n, uint8_t *__restrict zigzags) {
    for (size_t i = 0; i < n; ++i) store<T>(zigzags + i * sizeof(T), tokens[i], false);
}

// f<T>() for the width.
template <class F>
auto with_width(unsigned width, F &&f) {
    if (width == 1) return f.template operator()<uint8_t>();
    if (width == 2) return f.template operator()<uint16_t>();
    if (width == 4) return f.template operator()<uint32_t>();
    return f.template operator()<uint64_t>();
}

void differences_here(const uint8_t *raw, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *zigzags) {
    with_format(format, false, [&]<class T, bool D, bool S, unsigned R>() { differences_loop<T, S, R>(raw, base, n, zigzags); });
}

void add_differences_here(const uint8_t *zigzags, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *raw) {
    with_format(format, false,
                [&]<class T, bool D, bool S, unsigned R>() { add_differences_loop<T, S, R>(zigzags, base, n, raw); });
}

void base_contexts_here(const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *contexts) {
    with_format(format, false, [&]<class T, bool D, bool S, unsigned R>() { contexts_loop<T, S, R>(base, n, contexts); });
}

void tokens_here(const uint8_t *zigzags, size_t n, unsigned width, uint8_t *tokens) {
    with_width(width, [&]<class T>() { tokens_loop<T>(zigzags, n, tokens); });
}

void widen_here(const uint8_t *tokens, size_t n, unsigned width, uint8_t *zigzags) {
    with_width(width, [&]<class T>() { widen_loop<T>(tokens, n, zigzags); });
}

void map_contexts_here(const uint8_t *contexts, size_t n, const uint8_t *table_of, uint16_t *tables) {
    for (size_t i = 0; i < n; ++i) tables[i] = table_of[contexts[i]];
}

// By block of kDeltaBlock tokens: all of their bits together.
void unite_here(const uint8_t *__restrict tokens, size_t n, uint8_t *__restrict united) {
    for (size_t first = 0; first < n; first += kDeltaBlock) {
        uint8_t all = 0;
        if (first + kDeltaBlock <= n) {
            for (size_t i = 0; i < kDeltaBlock; ++i) all |= tokens[first + i];
        } else {
            for (size_t i = first; i < n; ++i) all |= tokens[i];
        }
        united[first / kDeltaBlock] = all;
    }
}

constexpr DeltaKernels kDeltaHere = {differences_here, add_differences_here, base_contexts_here, tokens_here,
                                     widen_here,       unite_here,           map_contexts_here};

}  // namespace
}  // namespace laconic::floats
