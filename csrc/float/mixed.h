// Elements by context mixing (csrc/mixing): the smallest form, for the level that may take time.
//
// How large a weight is, is told by its neighbours: those before it, those around the one above it (a row earlier), its column
// so far. The exponents and the bits below them that are no noise are mixed decisions in contexts of such scales; what is noise
// stays as it is. codecs/weights/FORMAT.md, method "mixed", specifies every byte.
#pragma once

#include <cstddef>
#include <cstdint>

#include "float/planes.h"

namespace laconic::floats {

// Whether elements of this format are taken: floats, and what has one byte.
bool can_mix(const ElementFormat &format);

// Bytes that encode_mixed may write while it works.
size_t mixed_bound(size_t raw_size, const ElementFormat &format);

// `noise`: whether mantissas are noise below their top two bits. Returns the payload's size, or 0 if it would not be below
// `limit`.
size_t encode_mixed(const uint8_t *raw, size_t raw_size, const ElementFormat &format, bool noise, size_t limit, uint8_t *out);

// Fills raw[0, raw_size); CorruptData unless data[0, size) is exactly such a payload.
void decode_mixed(const uint8_t *data, size_t size, const ElementFormat &format, uint8_t *raw, size_t raw_size);

}  // namespace laconic::floats
