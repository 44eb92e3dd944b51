// Floats on their own: the exponent is a symbol, coded in a context (say, the exponent of another tensor); sign and mantissa are
// byte planes. The sign goes where no element has one, as in second moments. codecs/checkpoint/FORMAT.md, "Fields".
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "checkpoint/elements.h"

namespace laconic::checkpoint {

std::vector<uint8_t> encode_fields(const uint8_t *actual, const uint16_t *contexts, size_t n, Format format);

// Fills out (n elements) from exactly such a payload; CorruptData otherwise.
void decode_fields(const uint8_t *data, size_t size, const uint16_t *contexts, size_t n, Format format, uint8_t *out);

}  // namespace laconic::checkpoint
