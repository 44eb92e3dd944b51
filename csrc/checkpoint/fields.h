// fp32 elements whose exponents are coded in contexts (say, the exponent of another tensor); signs and mantissas are byte planes
// as in the weights codec. codecs/checkpoint/FORMAT.md, "Fields".
#pragma once

#include <cstddef>
#include <cstdint>

namespace laconic::checkpoint {

size_t fields_bound(size_t n);  // bytes that encode_fields may write

// actual: n elements, little-endian; contexts: n bytes. Returns the payload's size.
size_t encode_fields(const uint8_t *actual, const uint8_t *contexts, size_t n, uint8_t *out);

// Fills out (n elements) from exactly such a payload; CorruptData otherwise.
void decode_fields(const uint8_t *data, size_t size, const uint8_t *contexts, size_t n, uint8_t *out);

}  // namespace laconic::checkpoint
