// Sets of byte symbols, and the search for a member in an array.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace laconic::entropy {

class SymbolSet {
public:
    void insert(uint8_t symbol) {
        // Bit (symbol / 16) % 8 of a byte chosen by the low nibble and the top bit: what a byte shuffle can look up.
        bits_[(symbol >> 7) * 16 + symbol % 16] =
            static_cast<uint8_t>(bits_[(symbol >> 7) * 16 + symbol % 16] | 1 << (symbol >> 4) % 8);
    }
    bool contains(uint8_t symbol) const { return (bits_[(symbol >> 7) * 16 + symbol % 16] >> (symbol >> 4) % 8 & 1) != 0; }
    const uint8_t *bits() const { return bits_.data(); }

private:
    alignas(16) std::array<uint8_t, 32> bits_{};
};

// The first i >= from with symbols[i] in the set, or n.
size_t find_member(const SymbolSet &set, const uint8_t *symbols, size_t from, size_t n);

#if defined(LACONIC_X86)
namespace avx2 {
// Looks at whole vectors only: the first member, or where the last whole vector ends.
size_t find_member(const SymbolSet &set, const uint8_t *symbols, size_t from, size_t n);
}  // namespace avx2
#endif

}  // namespace laconic::entropy
