#include "entropy/rans_c.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "entropy/cpu.h"
#include "entropy/error.h"
#include "entropy/escape.h"
#include "entropy/rans_c_kernels.h"

namespace laconic::rans_c {

static_assert(std::endian::native == std::endian::little, "streams are little-endian and written as they lie in memory");

namespace {

constexpr std::size_t kChunk = 1024;  // symbols at a time: intervals and symbols stay in the first-level cache
static_assert(kChunk % kMaxLanes == 0);

template <class NextWord>
std::uint64_t pop_escape(std::uint64_t &x, NextWord &&next) {
    return read_escape([&](int bits) {
        const std::uint32_t value = slot(x) >> (kProbBits - bits);
        pop(x, uniform_interval(value, bits), next);
        return value;
    });
}

template <class EmitWord>
void push_escape(std::uint64_t &x, std::uint64_t value, EmitWord &&emit) {
    Interval steps[kEscapeMaxIntervals];
    for (int k = escape_intervals(value, steps); k-- > 0;) push(x, steps[k], emit);
}

// Words in reverse: filled from the end towards the front, moved to a larger buffer when full.
class ReverseWords {
public:
    // The place below which `room` more words may be written.
    std::uint32_t *reserve(std::size_t room) {
        if (static_cast<std::size_t>(top_ - buffer_.data()) < room) {
            const std::size_t used = size();
            std::vector<std::uint32_t> larger(std::max(2 * buffer_.size(), used + room + kChunk));
            std::copy(top_, top_ + used, larger.data() + larger.size() - used);
            buffer_ = std::move(larger);
            top_ = buffer_.data() + buffer_.size() - used;
        }
        return top_;
    }
    void set_top(std::uint32_t *top) { top_ = top; }
    const std::uint32_t *data() const { return top_; }
    std::size_t size() const { return static_cast<std::size_t>(buffer_.data() + buffer_.size() - top_); }

private:
    std::vector<std::uint32_t> buffer_;
    std::uint32_t *top_ = buffer_.data();
};

// Words forwards, never past the end.
struct Words {
    const std::uint32_t *next;
    const std::uint32_t *end;

    std::size_t left() const { return static_cast<std::size_t>(end - next); }
    std::uint32_t operator()() {
        if (next == end) throw CorruptData("a block ends before its symbols do");
        return *next++;
    }
};

std::uint32_t *push_rows_scalar(std::uint64_t *states, int lanes, const Interval *intervals, std::size_t n, std::uint32_t *out) {
    for (std::size_t row = n; row > 0; row -= static_cast<std::size_t>(lanes))
        for (int l = lanes; l-- > 0;)
            push(states[l], intervals[row - static_cast<std::size_t>(lanes - l)], [&](std::uint32_t word) { *--out = word; });
    return out;
}

// Branch-free renormalisation: whether a word is needed is as good as random.
const std::uint32_t *pop_row_scalar(std::uint64_t *states, int lanes, const Interval *intervals, const std::uint32_t *words) {
    for (int l = 0; l < lanes; ++l) {
        const Interval v = intervals[l];
        const std::uint64_t x = v.freq * (states[l] >> kProbBits) + slot(states[l]) - v.start;
        const bool low = x < kLow;
        const std::uint64_t refilled = x << 32 | *words;
        states[l] = low ? refilled : x;
        words += low;
    }
    return words;
}

void slots_scalar(const std::uint64_t *states, int lanes, std::uint32_t *out) {
    for (int l = 0; l < lanes; ++l) out[l] = slot(states[l]);
}

}  // namespace

const Kernels &scalar_kernels() {
    static constexpr Kernels set{push_rows_scalar, pop_row_scalar, slots_scalar};
    return set;
}

const Kernels &kernels() {
#if defined(LACONIC_X86)
    if (active_isa() == Isa::avx512) return avx512_kernels();
#endif
    return scalar_kernels();  // AVX2 has neither 64-bit products nor divisions: it gains nothing here
}

std::vector<std::uint8_t> encode_block(const Model &model, std::size_t first, SymbolView symbols, int lanes) {
    const Kernels &kernel = kernels();
    const auto width = static_cast<std::size_t>(lanes);
    std::array<std::uint64_t, kMaxLanes> states;
    states.fill(kLow);
    std::array<std::int64_t, kChunk> values;
    std::array<Interval, kChunk> intervals;
    ReverseWords words;

    for (std::size_t begin = (symbols.size + kChunk - 1) / kChunk * kChunk; begin > 0;) {
        begin -= kChunk;
        const std::size_t n = std::min(kChunk, symbols.size - begin);
        symbols.widen(begin, n, values.data());
        const bool escapes = model.intervals(first + begin, n, values.data(), intervals.data());
        std::uint32_t *out = words.reserve(n * (escapes ? 1 + kEscapeMaxIntervals : 1));
        const auto emit = [&](std::uint32_t word) { *--out = word; };

        const std::size_t full = escapes ? 0 : n / width * width;
        for (std::size_t end = n; end > full;) {  // the last row of the block, or any row when there are escapes
            const std::size_t row = (end - 1) / width * width;
            for (std::size_t j = end; escapes && j-- > row;)
                if (is_escape(intervals[j])) push_escape(states[j - row], model.escape(first + begin + j, values[j]), emit);
            for (std::size_t j = end; j-- > row;) push(states[j - row], intervals[j], emit);
            end = row;
        }
        out = kernel.push_rows(states.data(), lanes, intervals.data(), full, out);
        words.set_top(out);
    }

    std::vector<std::uint8_t> block(8 * width + 4 * words.size());
    std::memcpy(block.data(), states.data(), 8 * width);
    if (words.size() != 0) std::memcpy(block.data() + 8 * width, words.data(), 4 * words.size());
    return block;
}

void decode_block(const Model &model, std::size_t first, std::span<const std::uint8_t> data, MutableSymbolView symbols,
                  int lanes) {
    const Kernels &kernel = kernels();
    const auto width = static_cast<std::size_t>(lanes);
    if (data.size() < 8 * width || data.size() % 4 != 0) throw CorruptData("a block has an impossible length");
    std::array<std::uint64_t, kMaxLanes> states;
    std::memcpy(states.data(), data.data(), 8 * width);
    for (std::size_t l = 0; l < width; ++l)
        if (states[l] < kLow || states[l] >> 63) throw CorruptData("a block starts with an impossible state");
    std::vector<std::uint32_t> aligned((data.size() - 8 * width) / 4);
    if (!aligned.empty()) std::memcpy(aligned.data(), data.data() + 8 * width, 4 * aligned.size());
    Words words{aligned.data(), aligned.data() + aligned.size()};

    std::array<std::int64_t, kChunk> values;
    std::array<Interval, kMaxLanes> intervals;
    std::array<std::uint32_t, kMaxLanes> slots;
    for (std::size_t begin = 0; begin < symbols.size; begin += kChunk) {
        const std::size_t n = std::min(kChunk, symbols.size - begin);
        for (std::size_t row = 0; row < n; row += width) {
            const std::size_t live = std::min(width, n - row);
            kernel.slots(states.data(), lanes, slots.data());
            const bool escapes = model.locate(first + begin + row, live, slots.data(), values.data() + row, intervals.data());
            if (live == width && words.left() >= width + 8) {
                words.next = kernel.pop_row(states.data(), lanes, intervals.data(), words.next);
            } else {
                for (std::size_t l = 0; l < live; ++l) pop(states[l], intervals[l], words);
            }
            for (std::size_t l = 0; escapes && l < live; ++l)
                if (is_escape(intervals[l]))
                    values[row + l] = model.unescape(first + begin + row + l, pop_escape(states[l], words));
        }
        symbols.narrow(begin, n, values.data());
    }
    if (words.left() != 0) throw CorruptData("a block is longer than its symbols");
    for (std::size_t l = 0; l < width; ++l)
        if (states[l] != kLow) throw CorruptData("a block does not end in the state its encoder began with");
}

Stack::Stack(std::span<const std::uint8_t> message) {
    if (message.size() < 8 || message.size() % 4 != 0) throw CorruptData("a stack message has an impossible length");
    words_.resize((message.size() - 8) / 4);
    if (!words_.empty()) std::memcpy(words_.data(), message.data(), 4 * words_.size());
    std::memcpy(&state_, message.data() + 4 * words_.size(), 8);
    if (state_ < kLow || state_ >> 63) throw CorruptData("a stack message ends with an impossible state");
}

void Stack::write(std::uint8_t *out) const {
    if (!words_.empty()) std::memcpy(out, words_.data(), 4 * words_.size());
    std::memcpy(out + 4 * words_.size(), &state_, 8);
}

std::uint32_t Stack::next_word() {
    if (words_.empty()) throw CorruptData("the stack holds fewer symbols than were asked for");
    const std::uint32_t word = words_.back();
    words_.pop_back();
    return word;
}

void Stack::push(const Model &model, SymbolView symbols) {
    // All intervals before the first push: a symbol that can't be coded leaves the message as it was.
    std::vector<std::int64_t> values(symbols.size);
    std::vector<Interval> intervals(symbols.size);
    symbols.widen(0, symbols.size, values.data());
    const bool escapes = model.intervals(0, symbols.size, values.data(), intervals.data());
    const auto emit = [this](std::uint32_t word) { words_.push_back(word); };
    for (std::size_t j = symbols.size; j-- > 0;) {
        if (escapes && is_escape(intervals[j])) push_escape(state_, model.escape(j, values[j]), emit);
        laconic::rans_c::push(state_, intervals[j], emit);
    }
}

void Stack::pop(const Model &model, MutableSymbolView symbols) {
    const auto next = [this] { return next_word(); };
    for (std::size_t j = 0; j < symbols.size; ++j) {
        const std::uint32_t where = slot(state_);
        std::int64_t value;
        Interval interval;
        const bool escaped = model.locate(j, 1, &where, &value, &interval);
        laconic::rans_c::pop(state_, interval, next);
        if (escaped) value = model.unescape(j, pop_escape(state_, next));
        symbols.narrow(j, 1, &value);
    }
}

}  // namespace laconic::rans_c
