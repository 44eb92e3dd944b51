// Elements of few different values: the values, ascending, and the index of each element among them. Quantised weights that are
// stored as floats, lookup tables, labels.
//
// Byte planes of such elements cost more than their indexes: what the planes know of each other is lost.
#pragma once

#include <cstddef>
#include <cstdint>

#include "float/planes.h"

namespace laconic::floats {

constexpr size_t kMostValues = size_t{1} << 14;

// Bytes that encode_palette may write while it works.
size_t palette_bound(size_t raw_size, const ElementFormat &format);

// Returns the payload's size, or 0 if there are more values or it would not be below `limit`.
size_t encode_palette(const uint8_t *raw, size_t raw_size, const ElementFormat &format, bool prefer_speed, size_t limit,
                      uint8_t *out);

// Fills raw[0, raw_size); CorruptData unless data[0, size) is exactly such a payload.
void decode_palette(const uint8_t *data, size_t size, const ElementFormat &format, uint8_t *raw, size_t raw_size);

// How many values there are, and forms and coded sizes of the indexes' planes (the high bytes first, if there are such).
struct PaletteReport {
    size_t values, values_bytes;
    size_t planes;
    const char *forms[2];
    size_t bytes[2];
};
PaletteReport inspect_palette(const uint8_t *data, size_t size);

}  // namespace laconic::floats
