// Elements among which one value dominates, most often zero: where it stands as a bitmap, and the other elements, coded without
// it. Pruned weights (also 2 of 4), empty rows and columns, masks.
//
// Byte planes pay for a frequent zero in each plane. The bitmap's bytes hold eight places each, so that what neighbours have in
// common is found by their table; bytes may be stored as the difference (xor) from those `distance` before, which makes runs and
// equal rows zeros.
#pragma once

#include <cstddef>
#include <cstdint>

#include "float/planes.h"

namespace laconic::floats {

// Bytes that encode_sparse may write while it works.
size_t sparse_bound(size_t raw_size, const ElementFormat &format);

// `value` (format.width bytes) is the element that is left out. Returns the payload's size, or 0 if it would not be below
// `limit`.
size_t encode_sparse(const uint8_t *raw, size_t raw_size, const ElementFormat &format, const uint8_t *value, bool prefer_speed,
                     size_t limit, uint8_t *out);

// Fills raw[0, raw_size); CorruptData unless data[0, size) is exactly such a payload.
void decode_sparse(const uint8_t *data, size_t size, const ElementFormat &format, uint8_t *raw, size_t raw_size);

// Form and coded size of the bitmap, and where the payload of the other elements is.
struct SparseReport {
    const char *form;
    size_t bytes;
    const uint8_t *inner;
    size_t inner_size, inner_raw_size;
};
SparseReport inspect_sparse(const uint8_t *data, size_t size, const ElementFormat &format, size_t raw_size);

}  // namespace laconic::floats
