// Models that are machine code of the caller's: a function called for every symbol, with no interpreter in between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "entropy/symbols.h"

namespace laconic::compiled_model {

// Called once before each symbol, in order, when encoding and when decoding:
//
//     void next(int64_t position, const int32_t *symbols, uint8_t *state, uint32_t *weights);
//
// symbols[0 .. position - 1] are the symbols so far (entries from `position` on are zero); `state` is the caller's memory, a
// fresh copy of what was given, and is kept between calls; `weights` is to be filled with `alphabet` numbers, of a sum above 0
// and below 2^32, to which the probabilities are proportional (each symbol gets 2^-24 beside that, so zeros are allowed). Same
// inputs must give same weights: use integers.
using Next = void (*)(std::int64_t position, const std::int32_t *symbols, std::uint8_t *state, std::uint32_t *weights);

struct Program {
    Next next;
    std::span<const std::uint8_t> state;
    std::size_t alphabet;
};

// One queue message (range_coder.h).
std::vector<std::uint8_t> encode(const Program &program, SymbolView symbols);
void decode(const Program &program, std::span<const std::uint8_t> message, MutableSymbolView symbols);

}  // namespace laconic::compiled_model
