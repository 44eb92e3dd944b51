// The context-mixing coder for bytes (level `high` and above of the `bytes` codec): about ten contexts, two match models, mixed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace laconic::text {

// Codes data[0, size) as a stream of profile D. The bytes depend on the data alone.
std::vector<uint8_t> encode_mixed(const uint8_t *data, size_t size);

// Fills out[0, size); CorruptData unless `stream` is exactly such a stream.
void decode_mixed(std::span<const uint8_t> stream, uint8_t *out, size_t size);

}  // namespace laconic::text
