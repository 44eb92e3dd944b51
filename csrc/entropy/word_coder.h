// A binary arithmetic coder for long streams of adaptive decisions: like profile D (entropy/binary_coder.h), but with a range of
// 64 bits that is renewed by whole words of 32, which a processor foresees well, rather than after every decision.
//
//     one   = (range >> 16) * p1                     the share of bit 1; p1 = P(1) in 1/65536, 16 .. 65520
//     range < 2^32 after a decision: a word moves, range <<= 32
//
// The stream is words, low byte first: the number that the decoder starts to read at its top. The encoder leaves out the last
// word where it is zero by choice, so a decoder reads one more word than there are.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "entropy/error.h"

namespace laconic {

class WordEncoder {
public:
    void encode(int bit, uint32_t p1) {
        const uint64_t one = (range_ >> 16) * p1,
                       if_one = 0 - static_cast<uint64_t>(bit);  // masks: compilers make branches of choices
        range_ = (one & if_one) | ((range_ - one) & ~if_one);
        add(one & ~if_one);
        if (range_ >> 32 == 0) {
            words_.push_back(static_cast<uint32_t>(low_ >> 32));
            low_ <<= 32;
            range_ <<= 32;
        }
    }

    // The range is at least 2^32, so a number whose lower half is zero lies in it.
    std::vector<uint8_t> finish() {
        add(0xffffffff);
        words_.push_back(static_cast<uint32_t>(low_ >> 32));
        std::vector<uint8_t> bytes;
        bytes.reserve(4 * words_.size());
        for (const uint32_t word : words_)
            for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<uint8_t>(word >> shift));
        return bytes;
    }

private:
    void add(uint64_t amount) {
        low_ += amount;
        if (low_ < amount)
            for (size_t k = words_.size(); k-- > 0 && ++words_[k] == 0;) {
            }
    }

    uint64_t low_ = 0, range_ = ~uint64_t{0};
    std::vector<uint32_t> words_;
};

class WordDecoder {
public:
    // The bytes must outlive the decoder.
    explicit WordDecoder(std::span<const uint8_t> bytes) : data_(bytes.data()), size_(bytes.size()) {
        if (size_ == 0 || size_ % 4 != 0) throw CorruptData("a stream of words of an impossible size");
        code_ = uint64_t{word()} << 32;
        code_ |= word();
        if (code_ == range_) throw CorruptData("a stream of words starts with an impossible state");
    }

    int decode(uint32_t p1) {
        const uint64_t one = (range_ >> 16) * p1;
        const bool bit = code_ < one;
        const uint64_t if_one = 0 - uint64_t{bit};
        code_ -= one & ~if_one;
        range_ = (one & if_one) | ((range_ - one) & ~if_one);
        if (range_ >> 32 == 0) {
            code_ = code_ << 32 | word();
            range_ <<= 32;
        }
        return bit;
    }

    void finish() const {
        if (next_ != size_ + 4) throw CorruptData("a stream of words is longer than its decisions");
        if (code_ >> 32 != 0) throw CorruptData("a stream of words does not end as its encoder left it");
    }

private:
    uint32_t word() {
        uint32_t x = 0;
        if (next_ < size_) {
            std::memcpy(&x, data_ + next_, 4);
            if constexpr (std::endian::native == std::endian::big) x = __builtin_bswap32(x);
        } else if (next_ > size_) {
            throw CorruptData("a stream of words ends before its decisions do");
        }
        next_ += 4;
        return x;
    }

    const uint8_t *data_;
    size_t size_, next_ = 0;
    uint64_t code_ = 0, range_ = ~uint64_t{0};
};

}  // namespace laconic
