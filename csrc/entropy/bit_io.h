// Bits in and out of bytes, least significant bit first: for block headers (tables, lane states), not for hot loops.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "entropy/error.h"

namespace laconic::entropy {

class BitWriter {
public:
    // Writes into [out, out + capacity). Past the end nothing is written and overflowed() turns true.
    BitWriter(uint8_t *out, size_t capacity) : out_(out), capacity_(capacity) {}

    // The low `count` bits of value, count <= 32.
    void put(uint32_t value, unsigned count) {
        pending_ |= static_cast<uint64_t>(value) << filled_;
        filled_ += count;
        while (filled_ >= 8) flush_byte();
    }

    void put_unary(unsigned value) {
        for (; value >= 24; value -= 24) put(0xffffff, 24);
        put((1u << value) - 1, value + 1);
    }

    // Elias gamma, value >= 1.
    void put_gamma(uint32_t value) {
        const unsigned length = std::bit_width(value);
        put_unary(length - 1);
        put(value & ((1u << (length - 1)) - 1), length - 1);
    }

    // Fills the last byte with zero bits; returns the bytes written so far.
    size_t finish() {
        if (filled_ > 0) {
            filled_ = 8;
            flush_byte();
        }
        return size_;
    }

    size_t bit_count() const { return 8 * size_ + filled_; }  // before finish()
    bool overflowed() const { return overflowed_; }

private:
    void flush_byte() {
        if (size_ < capacity_)
            out_[size_++] = static_cast<uint8_t>(pending_);
        else
            overflowed_ = true;
        pending_ >>= 8;
        filled_ -= 8;
    }

    uint8_t *out_;
    size_t capacity_;
    size_t size_ = 0;
    uint64_t pending_ = 0;
    unsigned filled_ = 0;
    bool overflowed_ = false;
};

class BitReader {
public:
    BitReader(const uint8_t *data, size_t size) : data_(data), size_(size) {}

    // count <= 32; CorruptData past the end.
    uint32_t get(unsigned count) {
        while (filled_ < count) {
            if (position_ == size_) throw CorruptData("entropy block: header is cut off");
            pending_ |= static_cast<uint64_t>(data_[position_++]) << filled_;
            filled_ += 8;
        }
        const uint32_t value = static_cast<uint32_t>(pending_ & ((uint64_t{1} << count) - 1));
        pending_ >>= count;
        filled_ -= count;
        return value;
    }

    // CorruptData when the value passes `most`.
    unsigned get_unary(unsigned most) {
        unsigned value = 0;
        while (get(1) == 1)
            if (++value > most) throw CorruptData("entropy block: a unary code is too long");
        return value;
    }

    uint32_t get_gamma() {
        const unsigned extra = get_unary(31);
        return extra == 0 ? 1 : (1u << extra) | get(extra);
    }

    // Skips to the next whole byte; returns the bytes read so far. The padding must be zero: one way to write a block.
    size_t finish() {
        if (pending_ != 0) throw CorruptData("entropy block: padding bits are not zero");
        filled_ = 0;
        return position_;
    }

private:
    const uint8_t *data_;
    size_t size_;
    size_t position_ = 0;
    uint64_t pending_ = 0;
    unsigned filled_ = 0;
};

}  // namespace laconic::entropy
