// Bytes and varints in and out, every read checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "entropy/block_format.h"
#include "entropy/error.h"

namespace laconic::image {

class ByteWriter {
public:
    void put(uint8_t byte) { bytes_.push_back(byte); }
    void put_varint(size_t value) {
        uint8_t room[10];
        bytes_.insert(bytes_.end(), room, entropy::write_varint(room, value));
    }
    void put_bytes(const uint8_t *data, size_t size) { bytes_.insert(bytes_.end(), data, data + size); }
    // With its size before it.
    void put_sized(const std::vector<uint8_t> &part) {
        put_varint(part.size());
        put_bytes(part.data(), part.size());
    }
    size_t size() const { return bytes_.size(); }
    std::vector<uint8_t> take() { return std::move(bytes_); }

private:
    std::vector<uint8_t> bytes_;
};

class ByteReader {
public:
    ByteReader(const uint8_t *data, size_t size) : p_(data), end_(data + size) {}

    uint8_t get() { return *get_bytes(1); }
    size_t get_varint() { return entropy::read_varint(p_, end_); }
    const uint8_t *get_bytes(size_t size) {
        if (size > remaining()) throw CorruptData("image: the payload is cut off");
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
        if (p_ != end_) throw CorruptData("image: bytes are left in the payload");
    }

private:
    const uint8_t *p_, *end_;
};

}  // namespace laconic::image
