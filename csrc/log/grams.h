// A filter of a frame's grams: which fours of bytes occur in it. A literal that has a gram that does not occur is not in the
// frame.
//
// Letters count in lower case, so that searches that ignore case can use the filter. Grams with a digit are left out: numbers
// have nearly all of them, and would fill the filter.
#pragma once

#include <cstddef>
#include <cstdint>

namespace laconic::logs {

// Sets a bit in filter[0, 2^bits / 8), bits 3 to 24, for each gram of data.
void collect_grams(const uint8_t *data, size_t size, unsigned bits, uint8_t *filter);

// Whether all grams of the literal have their bit; true for a literal without grams.
bool may_hold_grams(const uint8_t *filter, unsigned bits, const uint8_t *literal, size_t size);

}  // namespace laconic::logs
