// The wide context-mixing coder for bytes (level `max` of the `bytes` codec): 28 contexts, their
// predictions joined by a gated linear network that learns online.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace laconic::text {

// Codes data[0, size) as a stream of profile D. The bytes depend on the data alone.
std::vector<uint8_t> encode_wide(const uint8_t *data, size_t size);

// Fills out[0, size); CorruptData unless `stream` is exactly such a stream.
void decode_wide(std::span<const uint8_t> stream, uint8_t *out, size_t size);

}  // namespace laconic::text
