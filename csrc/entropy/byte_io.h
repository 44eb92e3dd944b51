// Bytes and varints of a payload in and out, every read checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "entropy/block_format.h"
#include "entropy/error.h"

namespace laconic::entropy {

// Signed numbers as unsigned ones, the small ones first: 0, -1, 1, -2, ...
inline uint32_t zigzag(int32_t x) { return static_cast<uint32_t>(x) << 1 ^ static_cast<uint32_t>(x >> 31); }
inline int32_t unzigzag(uint32_t z) { return static_cast<int32_t>(z >> 1 ^ (0u - (z & 1))); }

inline void put_varint(std::vector<uint8_t> &out, size_t value) {
    uint8_t room[10];
    out.insert(out.end(), room, write_varint(room, value));
}

// Bytes with their number before them.
inline void put_sized(std::vector<uint8_t> &out, const uint8_t *data, size_t size) {
    put_varint(out, size);
    out.insert(out.end(), data, data + size);
}

class ByteWriter {
public:
    void put(uint8_t byte) { bytes_.push_back(byte); }
    void put_varint(size_t value) { entropy::put_varint(bytes_, value); }
    void put_signed(int32_t value) { put_varint(zigzag(value)); }
    void put_bytes(const uint8_t *data, size_t size) { bytes_.insert(bytes_.end(), data, data + size); }
    void put_sized(const std::vector<uint8_t> &part) { entropy::put_sized(bytes_, part.data(), part.size()); }
    size_t size() const { return bytes_.size(); }
    std::vector<uint8_t> take() { return std::move(bytes_); }

private:
    std::vector<uint8_t> bytes_;
};

class ByteReader {
public:
    ByteReader(const uint8_t *data, size_t size) : p_(data), end_(data + size) {}

    uint8_t get() { return *get_bytes(1); }
    size_t get_varint() { return read_varint(p_, end_); }
    int32_t get_signed() { return unzigzag(static_cast<uint32_t>(get_varint())); }
    const uint8_t *get_bytes(size_t size) {
        if (size > remaining()) throw CorruptData("the payload is cut off");
        p_ += size;
        return p_ - size;
    }
    ByteReader get_sized() {
        const size_t size = get_varint();
        return {get_bytes(size), size};
    }
    size_t remaining() const { return static_cast<size_t>(end_ - p_); }
    const uint8_t *position() const { return p_; }
    void end() const {
        if (p_ != end_) throw CorruptData("bytes are left in the payload");
    }

private:
    const uint8_t *p_, *end_;
};

}  // namespace laconic::entropy
