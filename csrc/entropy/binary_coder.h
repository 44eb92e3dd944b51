// Profile D: a binary arithmetic coder for adaptive models, one decision at a time; 32-bit range, 16-bit probabilities, bytes.
//
//     BinaryEncoder coder;
//     for (...) coder.encode(bit, p1);        // p1 = P(bit = 1) in 1/65536, 1 .. 65535
//     std::vector<std::uint8_t> bytes = coder.finish();
//
//     BinaryDecoder coder(bytes);
//     for (...) bit = coder.decode(p1);       // the same p1 in the same order
//     coder.finish();                         // CorruptData unless the bytes ended exactly here
//
// A range coder with carries (G. N. N. Martin, 1979; the byte-wise form of M. Schindler, 1998). The range stays at or above 2^24
// between decisions and a decision's share of it is the full 48-bit product, so a decision costs its information plus less than
// 2^-7 of a bit even at p1 = 1 (there the share, at least 2^8, is rounded by less than one). No branch depends on the decision
// itself.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "entropy/error.h"

namespace laconic {

namespace binary_coder {

// How many bits, a multiple of 8, bring a range of at least 2^8 back to 2^24 or above: 0, 8 or 16.
inline int renormalisation(std::uint32_t range) { return std::countl_zero(range) & 24; }

inline std::uint32_t share(std::uint32_t range, std::uint32_t p1) {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(range) * p1 >> 16);
}

inline std::uint32_t byte_swapped(std::uint32_t x) { return x >> 24 | (x >> 8 & 0xff00u) | (x << 8 & 0xff0000u) | x << 24; }

}  // namespace binary_coder

class BinaryEncoder {
public:
    void encode(bool bit, std::uint32_t p1) {
        const std::uint32_t one = binary_coder::share(range_, p1);
        const std::uint32_t if_one = 0u - std::uint32_t{bit};  // masks, because compilers make branches of choices
        range_ = (one & if_one) | ((range_ - one) & ~if_one);
        add(one & ~if_one);
        const int shift = binary_coder::renormalisation(range_);
        if (bytes_.size() - used_ < 4) bytes_.resize(2 * bytes_.size() + 4096);
        const std::uint32_t top = binary_coder::byte_swapped(low_);
        std::memcpy(bytes_.data() + used_, &top, 4);
        used_ += static_cast<std::size_t>(shift) / 8;
        low_ <<= shift;
        range_ <<= shift;
    }

    // The range is at least 2^24, so a number whose three low bytes are zero lies in it; those are left out.
    std::vector<std::uint8_t> finish() {
        add(0xffffff);
        bytes_.resize(used_);
        bytes_.push_back(static_cast<std::uint8_t>(low_ >> 24));
        std::vector<std::uint8_t> out = std::move(bytes_);
        *this = BinaryEncoder();
        return out;
    }

private:
    void add(std::uint32_t amount) {
        low_ += amount;
        if (low_ < amount)
            for (std::size_t k = used_; k-- > 0 && ++bytes_[k] == 0;) {
            }
    }

    std::uint32_t low_ = 0;
    std::uint32_t range_ = 0xffffffffu;
    std::size_t used_ = 0;
    std::vector<std::uint8_t> bytes_;
};

class BinaryDecoder {
public:
    // The bytes must outlive the decoder.
    explicit BinaryDecoder(std::span<const std::uint8_t> bytes) : data_(bytes.data()), size_(bytes.size()) {
        if (size_ == 0) throw CorruptData("an empty binary stream");
        code_ = next_four();
        next_ = 4;
        if (code_ == range_) throw CorruptData("a binary stream starts with an impossible state");
    }

    bool decode(std::uint32_t p1) {
        const std::uint32_t one = binary_coder::share(range_, p1);
        const bool bit = code_ < one;
        const std::uint32_t if_one = 0u - std::uint32_t{bit};
        code_ -= one & ~if_one;
        range_ = (one & if_one) | ((range_ - one) & ~if_one);
        const int shift = binary_coder::renormalisation(range_);
        const std::uint32_t four = next_ + 4 <= size_ ? load_four() : next_four();
        code_ = static_cast<std::uint32_t>((static_cast<std::uint64_t>(code_) << 32 | four) << shift >> 32);
        next_ += static_cast<std::size_t>(shift) / 8;
        range_ <<= shift;
        return bit;
    }

    void finish() const {
        if (next_ != size_ + 3) throw CorruptData("a binary stream is longer than its decisions");
        if (code_ >> 24 != 0) throw CorruptData("a binary stream does not end as its encoder left it");
    }

private:
    std::uint32_t load_four() const {
        std::uint32_t x;
        std::memcpy(&x, data_ + next_, 4);
        return binary_coder::byte_swapped(x);
    }
    // Near the end: the three bytes that the encoder left out are zero, and nobody needs a fourth.
    std::uint32_t next_four() const {
        if (next_ > size_ + 3) throw CorruptData("a binary stream ends before its decisions do");
        std::uint32_t x = 0;
        for (std::size_t k = next_; k < next_ + 4; ++k) x = x << 8 | (k < size_ ? data_[k] : 0u);
        return x;
    }

    const std::uint8_t *data_;
    std::size_t size_;
    std::size_t next_ = 0;
    std::uint32_t code_ = 0;
    std::uint32_t range_ = 0xffffffffu;
};

}  // namespace laconic
