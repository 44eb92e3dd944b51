// Reversible rewritings of a block, of the same size, that bring alike bytes together before it is modelled: operands of calls in
// x86 code, columns of records, differences of neighbouring numbers.
//
// Calls: the four bytes after a byte E8 or E9 are a little-endian number. Where its top byte is 0 or 255, the place after them is
// added to it, modulo 2^25, and its top byte is 0 or 255 by bit 24: the target itself, which is the same for all calls of one
// function. The search goes on after the four bytes, whatever they are.
//
// Columns: rows of `stride` bytes, a multiple of `width`, are written column after column; what is left after the last whole row
// stays last. With a width of 1, 2 or 4 all rows but the first are differences to the row before: of numbers of so many
// bytes, little-endian, modulo M = 256^width; d < M / 2 is written as 2 d, others as 2 (M - d) - 1.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace laconic::text {

struct Rewriting {
    bool calls = false;
    uint8_t stride = 0;  // 0: no columns
    uint8_t width = 0;   // 0: no differences; else a divisor of the stride
};

// What a look at the block recommends; an empty one mostly.
Rewriting choose_rewriting(std::span<const uint8_t> bytes);

// In place. `restore` undoes `rewrite` for every block; the rewriting must be valid.
void rewrite(std::span<uint8_t> bytes, const Rewriting &how);
void restore(std::span<uint8_t> bytes, const Rewriting &how);

// Two bytes: 1 for calls | width << 1, then the stride. CorruptData for bytes that mean nothing.
std::array<uint8_t, 2> pack_rewriting(const Rewriting &how);
Rewriting parse_rewriting(std::span<const uint8_t> code);

}  // namespace laconic::text
