// Profile C: range asymmetric numeral systems (rANS, J. Duda, arXiv 1311.2540) with a 64-bit state, 32-bit renormalisation and
// 24-bit probabilities. A stack: what was pushed last is popped first.
//
// State x in [2^31, 2^63) between operations. push(v): while x >= freq 2^39, give its low word away (once is enough: x < 2^63 and
// freq >= 1 leave x 2^-32 < 2^31); then x = floor(x / freq) 2^24 + start + x mod freq, again in [2^31, 2^63). pop undoes both
// steps in reverse.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "entropy/interval.h"
#include "entropy/model.h"
#include "entropy/symbols.h"

namespace laconic::rans_c {

inline constexpr std::uint64_t kLow = std::uint64_t{1} << 31;

inline std::uint32_t slot(std::uint64_t x) { return static_cast<std::uint32_t>(x) & (kTotal - 1); }

template <class EmitWord>
inline void push(std::uint64_t &x, Interval v, EmitWord &&emit) {
    if (x >= static_cast<std::uint64_t>(v.freq) << 39) {
        emit(static_cast<std::uint32_t>(x));
        x >>= 32;
    }
    const std::uint64_t quotient = x / v.freq;
    x = (quotient << kProbBits) + (x - quotient * v.freq) + v.start;
}

template <class NextWord>
inline void pop(std::uint64_t &x, Interval v, NextWord &&next) {
    x = v.freq * (x >> kProbBits) + slot(x) - v.start;
    if (x < kLow) x = x << 32 | next();
}

// One lane that grows at its end: the coder to interleave models with, and for bits-back coding.
class Stack {
public:
    Stack() = default;
    explicit Stack(std::span<const std::uint8_t> message);  // CorruptData unless a Stack could have written it

    void push(const Model &model, SymbolView symbols);  // last symbol first, so that pop returns them in order
    void pop(const Model &model, MutableSymbolView symbols);
    bool empty() const { return state_ == kLow && words_.empty(); }
    std::size_t size_bytes() const { return 8 + 4 * words_.size(); }
    void write(std::uint8_t *out) const;  // size_bytes() bytes: words in the order they were emitted, then the state

private:
    std::uint32_t next_word();

    std::uint64_t state_ = kLow;
    std::vector<std::uint32_t> words_;
};

// A block: symbol j (from 0) belongs to lane j mod lanes; the lanes share one stream of words. Layout: `lanes` final states of 8
// bytes, then the words in the order the decoder takes them. A row is `lanes` consecutive symbols; of a row first all lanes
// decode their symbol (those that fall below 2^31 take a word each, in lane order), then lanes that met an escape decode its
// distance, in lane order. `first` is the position of the block's first symbol in the message, by which the model knows it.
std::vector<std::uint8_t> encode_block(const Model &model, std::size_t first, SymbolView symbols, int lanes);
void decode_block(const Model &model, std::size_t first, std::span<const std::uint8_t> data, MutableSymbolView symbols,
                  int lanes);

inline constexpr int kMaxLanes = 16;  // 1, 8 or 16: message.h chooses

}  // namespace laconic::rans_c
