#include "entropy/range_coder.h"

#include <cstring>

#include "entropy/escape.h"

namespace laconic::range_coder {

void Encoder::push(const Model &model, SymbolView symbols) {
    std::vector<std::int64_t> values(symbols.size);
    std::vector<Interval> intervals(symbols.size);
    symbols.widen(0, symbols.size, values.data());
    const bool escapes = model.intervals(0, symbols.size, values.data(), intervals.data());
    for (std::size_t j = 0; j < symbols.size; ++j) {
        push(intervals[j]);
        if (escapes && is_escape(intervals[j])) {
            Interval steps[kEscapeMaxIntervals];
            const int count = escape_intervals(model.escape(j, values[j]), steps);
            for (int k = 0; k < count; ++k) push(steps[k]);
        }
    }
}

// The range is at least 2^32, so a number whose low word is zero lies in it; that word is left out.
void Encoder::write(std::uint8_t *out) const {
    Encoder last = *this;
    last.add(0xffffffffu);
    last.words_.push_back(static_cast<std::uint32_t>(last.low_ >> 32));
    std::memcpy(out, last.words_.data(), 4 * last.words_.size());
}

Decoder::Decoder(std::span<const std::uint8_t> message) {
    if (message.size() < 4 || message.size() % 4 != 0) throw CorruptData("a queue message has an impossible length");
    words_.resize(message.size() / 4);
    std::memcpy(words_.data(), message.data(), message.size());
    code_ = next_word();
    code_ = code_ << 32 | next_word();
    if (code_ >= range_) throw CorruptData("a queue message starts with an impossible state");
}

std::uint32_t Decoder::next_word() {
    if (next_ > words_.size()) throw CorruptData("the queue holds fewer symbols than were asked for");
    const std::size_t k = next_++;
    return k < words_.size() ? words_[k] : 0;
}

void Decoder::pop(const Model &model, MutableSymbolView symbols) {
    for (std::size_t j = 0; j < symbols.size; ++j) {
        const std::uint32_t where = slot();
        std::int64_t value;
        Interval interval;
        const bool escaped = model.locate(j, 1, &where, &value, &interval);
        pop(interval);
        if (escaped) {
            value = model.unescape(j, read_escape([this](int bits) {
                                       const std::uint32_t piece = slot() >> (kProbBits - bits);
                                       pop(uniform_interval(piece, bits));
                                       return piece;
                                   }));
        }
        symbols.narrow(j, 1, &value);
    }
}

void Decoder::finish() const {
    if (next_ != words_.size() + 1) throw CorruptData("the queue holds more symbols than were taken");
    if (code_ >> 32 != 0) throw CorruptData("a queue message does not end as its encoder left it");
}

}  // namespace laconic::range_coder
