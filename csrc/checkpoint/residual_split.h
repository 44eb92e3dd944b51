// Differences of ordered integers as size classes; see residual.h. The per-ISA entry points of its vector half.
#pragma once

#include <cstddef>
#include <cstdint>

namespace laconic::checkpoint {

// Classes of magnitudes: each below 2^(top + 1) is a class of its own, above there are 2^top to an octave. Finer ones cost more
// table than they gain on 32-bit elements; small differences are all there is of 16-bit ones.
template <class T>
constexpr unsigned kTop = sizeof(T) == 4 ? 1 : 2;

// For each of n elements of `width` (2 or 4) bytes: its symbol, how many bits lie below the class, and those bits.
void split_residuals(const uint8_t *actual, const uint8_t *predicted, size_t n, size_t width, uint8_t *symbols, uint8_t *low_bits,
                     uint32_t *low);

#if defined(LACONIC_X86)
void split_residuals_avx2(const uint8_t *actual, const uint8_t *predicted, size_t n, size_t width, uint8_t *symbols,
                          uint8_t *low_bits, uint32_t *low);
void split_residuals_avx512(const uint8_t *actual, const uint8_t *predicted, size_t n, size_t width, uint8_t *symbols,
                            uint8_t *low_bits, uint32_t *low);
#endif

}  // namespace laconic::checkpoint
