// Entropy blocks in a row, each after its size in 3 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "entropy/block_format.h"
#include "entropy/error.h"

namespace laconic::floats {

constexpr size_t kSizeBytes = 3;

inline void put_size(uint8_t *out, size_t size) {
    for (size_t i = 0; i < kSizeBytes; ++i) out[i] = static_cast<uint8_t>(size >> (8 * i));
}

// Walks a payload with every size checked.
class BlockWalk {
public:
    BlockWalk(const uint8_t *data, size_t size) : p_(data), end_(data + size) {}

    std::pair<const uint8_t *, size_t> next() {
        const uint8_t *const p = take(kSizeBytes);
        const size_t size = p[0] | size_t{p[1]} << 8 | size_t{p[2]} << 16;
        if (size == 0 || size > remaining()) throw CorruptData("a block reaches past the payload");
        return {take(size), size};
    }

    const uint8_t *take(size_t size) {
        if (remaining() < size) throw CorruptData("the payload ends before a block");
        p_ += size;
        return p_ - size;
    }

    size_t varint() { return entropy::read_varint(p_, end_); }

    size_t remaining() const { return static_cast<size_t>(end_ - p_); }
    const uint8_t *position() const { return p_; }

private:
    const uint8_t *p_, *end_;
};

}  // namespace laconic::floats
