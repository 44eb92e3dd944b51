// The bytes coded so far, with zeros before the first, so that contexts need no test for the start.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "mixing/large_array.h"

namespace laconic::mixing {

class Past {
public:
    explicit Past(size_t capacity) : bytes_(kMargin + capacity), end_(bytes_.data() + kMargin) {}

    Past(const Past &other) : bytes_(other.bytes_), end_(bytes_.data() + kMargin + other.size_), size_(other.size_) {}

    void append(uint8_t byte) { *end_++ = byte, ++size_; }  // at most `capacity` times
    size_t size() const { return size_; }
    // The byte `i` places back, 1 for the last; at most size() + 32.
    uint32_t back(size_t i) const { return end_[-static_cast<ptrdiff_t>(i)]; }
    // The last eight bytes, the latest in the low byte.
    uint64_t last_eight() const {
        uint64_t x;
        std::memcpy(&x, end_ - 8, 8);
        return std::endian::native == std::endian::big ? x : __builtin_bswap64(x);
    }
    const uint8_t *at(size_t position) const { return bytes_.data() + kMargin + position; }

private:
    static constexpr size_t kMargin = 32;
    LargeArray<uint8_t> bytes_;
    uint8_t *end_;
    size_t size_ = 0;
};

}  // namespace laconic::mixing
