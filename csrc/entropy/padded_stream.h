// How a decoder reads a stream with kernels that check bounds once a row: freely while a whole row's bytes are left, then from a
// copy of the rest that is padded with zeros, so that reading past the end is harmless and is noticed after the row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "entropy/error.h"

namespace laconic::entropy {

// kReach: how far past the stream pointer one row may read or move.
// rows(stream, limit, first) decodes from row `first` on while stream <= limit, moves `stream`, and returns the rows done in
// total. tail(stream) decodes what is left of the last row.
template <size_t kReach, typename Rows, typename Tail>
void decode_stream(const uint8_t *data, size_t size, size_t row_count, Rows &&rows, Tail &&tail) {
    const uint8_t *stream = data;
    size_t done = 0;
    if (size >= kReach) done = rows(stream, data + size - kReach, done);
    const size_t rest = size - static_cast<size_t>(stream - data);
    if (rest >= kReach) throw CorruptData("entropy block: stream has the wrong length");  // all rows are done, a tail takes less
    uint8_t padded[2 * kReach] = {};
    if (rest != 0) std::memcpy(padded, stream, rest);
    stream = padded;
    done = rows(stream, padded + rest, done);
    if (done < row_count) throw CorruptData("entropy block: stream ends early");
    if (stream <= padded + rest) tail(stream);
    if (stream != padded + rest) throw CorruptData("entropy block: stream has the wrong length");
}

}  // namespace laconic::entropy
