// Level fast: a parsed log as a few byte streams, column by column, for a general compressor. codecs/logs/FORMAT.md specifies
// them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "log/parse.h"

namespace laconic::logs {

enum Stream : size_t {
    kHead,       // lines, columns' forms
    kTemplates,  // their stored form
    kIds,        // the lines' templates: low bytes, then high bytes if there are more than 256
    kTexts,      // texts, each ended by '\n'
    kIndices,    // places in dictionaries
    kNumbers,    // numbers in byte planes, the highest first
    kStreams,
};

using Streams = std::array<std::vector<uint8_t>, kStreams>;
using StreamViews = std::array<std::span<const uint8_t>, kStreams>;

// A frame's streams have at most this many bytes together; a parse that needs more does not pay.
constexpr size_t streams_bound(size_t raw_size) { return 4 * raw_size + 4096; }

Streams split_columns(const uint8_t *raw, const ParsedLog &log);

// Fills out[0, size); CorruptData unless the streams are those of that many bytes.
void join_columns(const StreamViews &streams, uint8_t *out, size_t size);

}  // namespace laconic::logs
