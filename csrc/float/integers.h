// Integers whose size or order says something, before they are cut into byte planes: as they are, by magnitude, or as steps.
//
//     magnitudes   y = zigzag(x)                 small numbers of both signs: without it, every plane holds the sign
//     steps        y = zigzag(x - the x before)  positions, offsets, sorted indexes; the first one from 0
#pragma once

#include <cstddef>
#include <cstdint>

#include "float/planes.h"

namespace laconic::floats {

enum class IntegerForm : uint8_t { plain, magnitudes, steps };

// raw[0, n * width) to y, in host byte order.
void transform_integers(const uint8_t *raw, size_t n, const ElementFormat &format, IntegerForm form, uint8_t *y);

// The inverse, in place; y in the format's byte order.
void restore_integers(uint8_t *raw, size_t n, const ElementFormat &format, IntegerForm form);

// The form whose planes seem smallest, told from a sample.
IntegerForm choose_integer_form(const uint8_t *raw, size_t n, const ElementFormat &format);

}  // namespace laconic::floats
