// The end of a stream, for kernels that check bounds once a row: they run freely while a whole row's bytes are left, then on a
// copy of the rest that is padded with zeros, where reading past the end is harmless and is noticed after the row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "entropy/error.h"

namespace laconic::entropy {

// kReach: how far past its beginning one row may read or move the stream.
template <size_t kReach>
class PaddedTail {
public:
    PaddedTail(const uint8_t *stream, const uint8_t *end) : size_(static_cast<size_t>(end - stream)) {
        if (size_ >= kReach)
            throw CorruptData("entropy block: stream has the wrong length");  // all rows are done and bytes are left
        if (size_ != 0) std::memcpy(bytes_, stream, size_);
    }

    const uint8_t *begin() const { return bytes_; }
    const uint8_t *end() const { return bytes_ + size_; }

private:
    size_t size_;
    uint8_t bytes_[2 * kReach] = {};
};

}  // namespace laconic::entropy
