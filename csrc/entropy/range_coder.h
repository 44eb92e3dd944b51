// A range coder (G. N. N. Martin, 1979): the queue beside rANS's stack. Symbols come back in the order in which they went in, one
// by one, which is what a model needs that learns from the symbols before.
//
// 64-bit low and range, 24-bit probabilities, 32-bit words, carries into the words already written. The range stays at or above
// 2^32 between symbols; a symbol gets floor(range / 2^24) times its frequency, the topmost one also the remainder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "entropy/error.h"
#include "entropy/interval.h"
#include "entropy/model.h"
#include "entropy/symbols.h"

namespace laconic::range_coder {

class Encoder {
public:
    void push(Interval v) {
        const std::uint64_t unit = range_ >> kProbBits;
        const std::uint64_t below = unit * v.start;
        add(below);
        range_ = v.start + v.freq == kTotal ? range_ - below : unit * v.freq;
        if (range_ >> 32 == 0) {  // once is enough: unit >= 2^8
            words_.push_back(static_cast<std::uint32_t>(low_ >> 32));
            low_ <<= 32;
            range_ <<= 32;
        }
    }
    void push(const Model &model, SymbolView symbols);

    std::size_t size_bytes() const { return 4 * words_.size() + 4; }
    void write(std::uint8_t *out) const;  // a complete message of size_bytes() bytes; the encoder can go on

private:
    void add(std::uint64_t amount) {
        low_ += amount;
        if (low_ < amount)
            for (std::size_t k = words_.size(); k-- > 0 && ++words_[k] == 0;) {
            }
    }

    std::uint64_t low_ = 0;
    std::uint64_t range_ = ~std::uint64_t{0};
    std::vector<std::uint32_t> words_;
};

class Decoder {
public:
    explicit Decoder(std::span<const std::uint8_t> message);

    std::uint32_t slot() const {
        const std::uint64_t s = code_ / (range_ >> kProbBits);
        return s < kTotal ? static_cast<std::uint32_t>(s) : kTotal - 1;
    }
    void pop(Interval v) {  // v holds slot()
        const std::uint64_t unit = range_ >> kProbBits;
        const std::uint64_t below = unit * v.start;
        code_ -= below;
        range_ = v.start + v.freq == kTotal ? range_ - below : unit * v.freq;
        if (range_ >> 32 == 0) {
            code_ = code_ << 32 | next_word();
            range_ <<= 32;
        }
    }
    void pop(const Model &model, MutableSymbolView symbols);
    void finish() const;  // CorruptData unless the message ends exactly here

private:
    std::uint32_t next_word();

    std::vector<std::uint32_t> words_;
    std::size_t next_ = 0;  // may reach words_.size() + 1: the encoder leaves out one word of zeros
    std::uint64_t code_ = 0;
    std::uint64_t range_ = ~std::uint64_t{0};
};

}  // namespace laconic::range_coder
