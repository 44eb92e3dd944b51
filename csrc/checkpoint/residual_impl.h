// The first half of residual coding, included by one file per instruction set: plain C++ that the compiler vectorises with that
// file's flags. Symbols and the bits below them, element by element; packing those bits is serial and lies in residual.cpp.
#pragma once

#include "checkpoint/elements.h"
#include "checkpoint/residual_split.h"

namespace laconic::checkpoint {
namespace {

template <class T>
void split_loop(const uint8_t *__restrict actual, const uint8_t *__restrict predicted, size_t n, uint8_t *__restrict symbols,
                uint8_t *__restrict low_bits, uint32_t *__restrict low) {
    constexpr uint32_t top = kTop<T>, direct = 2u << top;
    for (size_t i = 0; i < n; ++i) {
        const T x = load<T>(actual + i * sizeof(T)), y = load<T>(predicted + i * sizeof(T));
        constexpr unsigned sign = 8 * sizeof(T) - 1;
        const T difference = static_cast<T>(to_ordered(x) - to_ordered(y));
        const uint32_t negative = difference >> sign;
        const uint32_t magnitude = static_cast<T>((difference ^ static_cast<T>(-negative)) + negative);
        // The position of the highest bit is the exponent of the magnitude as a float; without the bit below it, nothing is
        // rounded up to the next power of two.
        const float rounded = static_cast<float>(static_cast<int32_t>(magnitude & ~(magnitude >> 1)));
        const uint32_t highest = (std::bit_cast<uint32_t>(rounded) >> 23 & 255) - 127;
        const bool small = magnitude < direct;
        const uint32_t shift = small ? 0 : highest - top;
        const uint32_t c = small ? magnitude : direct + ((shift - 1) << top) + ((magnitude >> shift) & ((1u << top) - 1));
        symbols[i] = static_cast<uint8_t>(c == 0 ? 0 : 2 * c - negative);
        low_bits[i] = static_cast<uint8_t>(shift);
        low[i] = magnitude & ((1u << shift) - 1);
    }
}

void split_here(const uint8_t *actual, const uint8_t *predicted, size_t n, size_t width, uint8_t *symbols, uint8_t *low_bits,
                uint32_t *low) {
    if (width == 4)
        split_loop<uint32_t>(actual, predicted, n, symbols, low_bits, low);
    else
        split_loop<uint16_t>(actual, predicted, n, symbols, low_bits, low);
}

}  // namespace
}  // namespace laconic::checkpoint
