// What the model of method `mixed` is told of a frame's elements. `First` symbols are the bytes with the exponent, `second` ones
// the bytes below. An element's scale is its magnitude in quarters of an octave above the frame's lowest, 0 to 63.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "entropy/error.h"

namespace laconic::floats {

constexpr size_t kLeastStride = 16;  // so that the eight elements after the one above are known

struct MixedFormat {
    enum class Levels : uint8_t {
        exponent,  // first << 2 | the top two bits of second
        rotated,   // a float of one byte, rotated left by one: first >> 1
        distance,  // an integer of one byte: quarters of an octave of its distance from `centre`
    };

    Levels kind = Levels::exponent;
    unsigned second_bits = 2;  // of second symbols that are mixed, from the top: 0, 2 or 8
    unsigned shift = 0;        // level >> shift is in quarters of an octave
    uint8_t centre = 0;
    uint32_t lowest = 0;             // level >> shift of scale 0
    size_t stride = kLeastStride;    // elements of a row, or of a few
    std::array<uint8_t, 32> used{};  // bit v % 8 of byte v / 8: whether a first symbol has the value v

    // Fills what follows from `used`; CorruptData if nothing is.
    void number_values() {
        count_ = 0;
        for (unsigned v = 0; v < 256; ++v) {
            if ((used[v / 8] >> (v % 8) & 1) == 0) continue;
            ranks_[v] = static_cast<uint8_t>(count_);
            values_[count_++] = static_cast<uint8_t>(v);
        }
        if (count_ == 0) throw CorruptData("symbols without a value");
    }

    // Bits of a value's rank.
    unsigned depth() const { return count_ < 3 ? 1 : static_cast<unsigned>(std::bit_width(count_ - 1)); }
    uint32_t rank_of(uint8_t value) const { return ranks_[value]; }
    uint8_t value_of(uint32_t rank) const {
        if (rank >= count_) throw CorruptData("a symbol that does not occur");
        return values_[rank];
    }

    // By first symbol; of kind `exponent` the top bits of the second are added.
    std::array<uint16_t, 256> levels() const {
        std::array<uint16_t, 256> found{};
        for (unsigned v = 0; v < 256; ++v) {
            unsigned level = kind == Levels::exponent ? v << 2 : v >> 1;
            if (kind == Levels::distance) {
                const unsigned d = v < centre ? centre - v : v - centre;
                const unsigned octave = d == 0 ? 0 : static_cast<unsigned>(std::bit_width(d)) - 1;
                level = d == 0 ? 0 : 4 + 4 * octave + ((octave >= 2 ? d >> (octave - 2) : d << (2 - octave)) & 3);
            }
            found[v] = static_cast<uint16_t>(level);
        }
        return found;
    }

    uint32_t scale_of(uint32_t level) const {
        const uint32_t quarters = level >> shift;
        return quarters <= lowest ? 0 : quarters - lowest < 63 ? quarters - lowest : 63;
    }

private:
    std::array<uint8_t, 256> ranks_{}, values_{};
    unsigned count_ = 0;
};

}  // namespace laconic::floats
