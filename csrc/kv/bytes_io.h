// Bytes and varints of a payload in and out, every read checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "entropy/block_format.h"
#include "entropy/error.h"

namespace laconic::kv {

using Bytes = std::vector<uint8_t>;

inline void put_varint(Bytes &out, size_t value) {
    uint8_t room[10];
    out.insert(out.end(), room, entropy::write_varint(room, value));
}

// A part with its size before it.
inline void put_sized(Bytes &out, const uint8_t *data, size_t size) {
    put_varint(out, size);
    out.insert(out.end(), data, data + size);
}

class ByteReader {
public:
    ByteReader(const uint8_t *data, size_t size) : p_(data), end_(data + size) {}

    uint8_t get() { return *get_bytes(1); }
    size_t get_varint() { return entropy::read_varint(p_, end_); }
    const uint8_t *get_bytes(size_t size) {
        if (size > remaining()) throw CorruptData("kv: the payload is cut off");
        p_ += size;
        return p_ - size;
    }
    ByteReader get_sized() {
        const size_t size = get_varint();
        return {get_bytes(size), size};
    }
    size_t remaining() const { return static_cast<size_t>(end_ - p_); }
    const uint8_t *position() const { return p_; }

private:
    const uint8_t *p_, *end_;
};

}  // namespace laconic::kv
