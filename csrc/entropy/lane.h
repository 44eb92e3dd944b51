// What one lane does to its state, shared by the scalar coders and the CUDA kernels. rans_a.h and rans_b.h say what the numbers
// mean.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define LACONIC_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define LACONIC_HOST_DEVICE inline
#endif

namespace laconic::entropy {

// Byte 0 to 3 of a word, which the device's compiler needs two operations for if it is left to it.
LACONIC_HOST_DEVICE uint32_t byte_of(uint32_t word, unsigned k) {
#if defined(__CUDA_ARCH__)
    return __byte_perm(word, 0, 0x4440 + k);
#else
    return word >> (8 * k) & 0xff;
#endif
}

}  // namespace laconic::entropy

namespace laconic::entropy::rans_b {

constexpr uint32_t kStart = 1u << 15;  // every lane's state before the first symbol is coded and after the last is decoded
constexpr unsigned kStateBits = 31;    // states stay below 2^31

// What coding one symbol needs: x -> x + start + floor(x / freq) * (2^precision - freq), with the division as a multiplication:
// floor(x / freq) = (2x * reciprocal >> 32) >> shift for all x < 2^31 (R. Alverson, "Integer division using reciprocals", 1991).
struct EncodeSymbol {
    uint32_t reciprocal;  // ceil(2^(31 + shift) / freq), so at least 2^31; 0 for a symbol that has no frequency
    uint32_t packed;      // freq - 1 (14 bits), start (14 bits), shift = ceil(log2 freq) (4 bits)
};

LACONIC_HOST_DEVICE uint32_t freq_of(EncodeSymbol symbol) { return (symbol.packed & 0x3fff) + 1; }

// A word must leave before the symbol is coded.
LACONIC_HOST_DEVICE bool must_spill(uint32_t x, EncodeSymbol symbol, unsigned precision) {
    return x >= freq_of(symbol) << (kStateBits - precision);
}

LACONIC_HOST_DEVICE uint32_t push(uint32_t x, EncodeSymbol symbol, unsigned precision) {
    const uint32_t high = static_cast<uint32_t>((static_cast<uint64_t>(2 * x) * symbol.reciprocal) >> 32);
    const uint32_t quotient = high >> (symbol.packed >> 28);
    return x + ((symbol.packed >> 14) & 0x3fff) + quotient * ((1u << precision) - freq_of(symbol));
}

// The state after a symbol of that frequency, whose slots begin `bias` before this one; below kStart it needs a word.
LACONIC_HOST_DEVICE uint32_t pop(uint32_t x, uint32_t freq, uint32_t bias, unsigned precision) {
    return freq * (x >> precision) + bias;
}

// A slot of a table of up to 12 bits for symbols of a byte: (freq - 1) << 20 | bias << 8 | symbol.
LACONIC_HOST_DEVICE uint32_t packed_slot(uint32_t freq, uint32_t bias, uint32_t symbol) {
    return (freq - 1) << 20 | bias << 8 | symbol;
}

LACONIC_HOST_DEVICE uint32_t pop_packed(uint32_t x, uint32_t slot, unsigned precision) {
    return pop(x, (slot >> 20) + 1, (slot >> 8) & 0xfff, precision);
}

// Wider tables: (freq - 1) << 14 | bias, the symbol lies apart.
LACONIC_HOST_DEVICE uint32_t pop_split(uint32_t x, uint32_t slot, unsigned precision) {
    return pop(x, (slot >> 14) + 1, slot & 0x3fff, precision);
}

}  // namespace laconic::entropy::rans_b

namespace laconic::entropy::rans_a {

constexpr unsigned kPrecision = 8;
constexpr uint16_t kStart = 256;  // every lane's state before the first symbol is coded and after the last is decoded

// A slot in one word: symbol | freq << 8 | bias << 16.
LACONIC_HOST_DEVICE uint32_t packed_slot(uint32_t freq, uint32_t bias, uint32_t symbol) {
    return symbol | freq << 8 | bias << 16;
}

// The state after that slot's symbol; below kStart it needs a byte.
LACONIC_HOST_DEVICE uint32_t pop(uint32_t x, uint32_t slot) { return byte_of(slot, 1) * (x >> 8) + (slot >> 16); }

}  // namespace laconic::entropy::rans_a
