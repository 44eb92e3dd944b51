// Level default: a parsed log coded line by line with adaptive models. Small, and as fast to decode as to encode.
// codecs/logs/FORMAT.md specifies the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "log/parse.h"

namespace laconic::logs {

std::vector<uint8_t> encode_rows(const uint8_t *raw, size_t size, const ParsedLog &log);

// Fills out[0, size); CorruptData unless data[0, data_size) is such a payload of that many bytes.
void decode_rows(const uint8_t *data, size_t data_size, uint8_t *out, size_t size);

}  // namespace laconic::logs
