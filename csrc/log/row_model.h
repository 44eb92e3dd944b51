// The model of level default: what it expects of the next line, given all before. Encoder and decoder run the same code; where
// they differ, `if constexpr (kEncodes)` says so.
//
// A value is first compared with what its contexts expect (the value that followed the same neighbours last time, the last value
// of the column, the last plus the last step), one decision each. Only what none of them expects is spelled out: a number as its
// difference from another, a text byte by byte.
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>

#include "entropy/error.h"
#include "log/bit_mixer.h"
#include "log/hash.h"
#include "log/templates.h"
#include "log/tokens.h"

namespace laconic::logs {

enum class Method : uint8_t {
    text,       // spelled as it reads
    step,       // a number: its difference from the last one of the column
    neighbour,  // a number: its difference from the number before it in the line
    constant,   // always the first value
    noise,      // a text whose characters say nothing of each other
};

struct Plan {
    Method method = Method::text;
    bool is_key = false;  // its values tell what comes after them in the line
};

// A number, or the place of a text among the bytes of the frame.
struct Value {
    uint64_t bits = 0;
    uint32_t hash = 0;  // 0: none

    static Value number(uint64_t n) { return {n, static_cast<uint32_t>(mix(n + 1) >> 32) | 1}; }
    static Value text(const uint8_t *frame, size_t start, size_t size) {
        return {static_cast<uint64_t>(start) << 32 | size, static_cast<uint32_t>(hash_bytes(frame + start, size) >> 32) | 1};
    }
    size_t start() const { return bits >> 32; }
    size_t size() const { return bits & 0xffffffffu; }
};

inline void require(bool condition, const char *what) {
    if (!condition) throw CorruptData(what);
}

inline bool is_alphanumeric(uint32_t c) { return c - '0' < 10u || (c | 32) - 'a' < 26u; }

template <class Coder, class Votes>
class RowModel {
public:
    static constexpr bool kEncodes = BitMixer<Coder, Votes>::kEncodes;
    static constexpr unsigned kCandidates = 8;
    static constexpr size_t kMatch = 5;                 // bytes that must be equal for a match
    static constexpr size_t kGuessLength = 8;           // where that many matched, the next byte is one decision
    static constexpr size_t kRun = 8, kRunLength = 20;  // bytes taken at once where that many before them matched
    using Byte = std::conditional_t<kEncodes, const uint8_t, uint8_t>;

    // frame: the raw bytes, read when encoding and written when decoding.
    RowModel(Coder &coder, Byte *frame, size_t size)
        : frame_(frame),
          size_(size),
          mixer_(coder, std::clamp<unsigned>(std::bit_width(size >> 2), 10, 18)),
          expected_(size_t{1} << std::clamp<unsigned>(std::bit_width(size >> 5), 10, 17)),
          match_shift_(64 - std::clamp<unsigned>(std::bit_width(size >> 2), 10, 18)),
          matches_(size_t{1} << (64 - match_shift_)) {}

    // The templates' stored form. Decoding: `size` bytes are appended to text.
    void templates(std::vector<uint8_t> &text, size_t size);

    // How the columns are coded; encoding: as given. The set must outlive the model.
    void plans(const TemplateSet &set, const std::vector<Plan> &plans);

    // One line; encoding: the given template and slots. The newline is the caller's.
    void line(const TemplateSet &set, uint32_t template_id, const Slot *slots);

    size_t position() const { return at_; }
    void newline() {
        if constexpr (!kEncodes) {
            require(at_ < size_, "log lines hold more than the frame");
            frame_[at_] = '\n';
        }
        ++at_;
    }

private:
    struct Expected {
        Value value;
        uint64_t step = 0;  // of the last two numbers
        uint32_t check = 0;
        uint32_t hits = 0;
    };
    struct ColumnState {
        Value last, before;
        Method method = Method::text;
        uint8_t history = 0;        // whether the last eight values were expected
        uint8_t sizes[2] = {0, 0};  // of the last two differences
        bool is_key = false;
        uint32_t source = kNoColumn;  // the column that had this column's last unexpected value before
    };

    uint32_t template_id(size_t count, uint32_t id);
    Value value(uint32_t column, uint8_t cls, const Slot *slot);
    Value spelled(uint32_t column, ColumnState &state, uint8_t cls, Value v, const Slot *slot);
    uint64_t difference(uint32_t column, ColumnState &state, uint64_t delta);
    size_t text(uint32_t column, const ColumnState &state, uint8_t cls, size_t length);
    size_t noise(uint32_t column, size_t length);
    bool run(size_t match, size_t match_length, size_t left);
    bool next(uint32_t c);
    void write(uint8_t cls, Value v);

    Expected &expected(uint64_t context) {
        const uint64_t h = mix(context, 0x51ed27u);
        Expected &e = expected_[h & (expected_.size() - 1)];
        const auto check = static_cast<uint32_t>(h >> 32);
        if (e.check != check) e = {Value(), 0, check, 0};
        return e;
    }
    static void learn(Expected &e, Value v) {
        if (e.value.hash == v.hash) {
            if (e.hits < 255) ++e.hits;
        } else {
            e.step = v.bits - e.value.bits;
            e.value = v;
            e.hits = 0;
        }
    }
    uint8_t behind(size_t n) const { return at_ >= n ? frame_[at_ - n] : 0; }

    Byte *frame_;
    size_t size_;
    size_t at_ = 0;
    BitMixer<Coder, Votes> mixer_;
    std::vector<Expected> expected_;
    unsigned match_shift_;
    std::vector<uint32_t> matches_;  // by the hash of the five bytes before: where a text went on
    std::vector<ColumnState> columns_;
    uint32_t ids_[3] = {0, 0, 0};  // templates of the last lines
    uint32_t id_history_ = 0;
    Value left_, left2_;  // the last two values in the line that are keys
    std::vector<uint32_t> seen_in_ =
        std::vector<uint32_t>(size_t{1} << 16);  // + 1: the column that last had a value of this hash
    const TemplateSet *set_ = nullptr;
    uint64_t last_number_ = 0;  // in the line
    bool has_number_ = false;
};

template <class Coder, class Votes>
void RowModel<Coder, Votes>::templates(std::vector<uint8_t> &text, size_t size) {
    uint64_t word = 0, four = 0;
    for (size_t k = 0; k < size; ++k) {
        const uint64_t contexts[] = {four & 0xff,
                                     (four & 0xffff) | 1u << 24,
                                     (four & 0xffffff) | 2u << 24,
                                     mix(four & 0xffffffff),
                                     mix(four & 0xffffffffffffu, 4),
                                     mix(word, 5)};
        const uint32_t c = mixer_.bits(contexts, 8, 1000, kEncodes ? text[k] : 0);
        if constexpr (!kEncodes) text.push_back(static_cast<uint8_t>(c));
        four = four << 8 | c;
        word = is_alphanumeric(c) ? mix(word, c) : c;
    }
}

template <class Coder, class Votes>
void RowModel<Coder, Votes>::plans(const TemplateSet &set, const std::vector<Plan> &plans) {
    set_ = &set;
    columns_.resize(set.columns.size());
    for (size_t k = 0; k < columns_.size(); ++k) {
        const uint8_t cls = set.columns[k].cls;
        const uint64_t contexts[] = {mix(cls, 77), mix(cls, 78 + static_cast<uint64_t>(columns_[k ? k - 1 : 0].method))};
        const uint32_t given = kEncodes ? static_cast<uint32_t>(plans[k].method) | plans[k].is_key << 3 : 0;
        const uint32_t plan = mixer_.bits(contexts, 4, 1001, given);
        const auto method = columns_[k].method = static_cast<Method>(plan & 7);
        columns_[k].is_key = plan >> 3;
        require(method == Method::constant || (method == Method::text && (!is_number(cls) || cls == kInteger)) ||
                    (is_number(cls) ? method == Method::step || method == Method::neighbour : method == Method::noise),
                "a log column is coded by a method that is not for its class");
    }
}

template <class Coder, class Votes>
uint32_t RowModel<Coder, Votes>::template_id(size_t count, uint32_t id) {
    const uint64_t one = mix(ids_[0], 1), two = mix(one, ids_[1]), three = mix(two, ids_[2]);
    Expected *sources[] = {&expected(mix(three, 3)), &expected(mix(two, 2)), &expected(one)};
    uint32_t tried[3];
    unsigned tries = 0;
    bool hit = false;
    for (unsigned k = 0; k < 3 && !hit; ++k) {
        const Value &v = sources[k]->value;
        if (v.hash == 0 || v.bits >= count) continue;
        const auto candidate = static_cast<uint32_t>(v.bits);
        if (std::find(tried, tried + tries, candidate) != tried + tries) continue;
        uint32_t agree = 0;
        for (unsigned j = k + 1; j < 3; ++j) agree |= static_cast<uint32_t>(sources[j]->value.hash == v.hash) << j;
        tried[tries++] = candidate;
        const uint64_t hits = std::min(sources[k]->hits, 15u);
        const uint64_t contexts[] = {mix(agree * 64 + k * 16 + hits, 11), mix(one, 12 + k + 8 * agree),
                                     mix(mix(candidate, one), 30 + k), mix(id_history_ & 255, 40 + k)};
        hit = mixer_.flag(contexts, 200 + k, kEncodes && candidate == id);
        if (hit) id = candidate;
    }
    id_history_ = id_history_ << 1 | hit;
    if (!hit) {
        const uint64_t high[] = {21, mix(one, 22), mix(two, 23)};
        const uint32_t h = mixer_.bits(high, 8, 1002, id >> 8);
        const uint64_t low[] = {mix(h, 24), mix(one, 25 + h), mix(two, 26 + h)};
        id = h << 8 | mixer_.bits(low, 8, 1003, id & 255);
        require(id < count, "a log line has a template that does not exist");
    }
    const Value v = Value::number(id);
    for (Expected *e : sources) learn(*e, v);
    ids_[2] = ids_[1];
    ids_[1] = ids_[0];
    ids_[0] = id;
    return id;
}

template <class Coder, class Votes>
void RowModel<Coder, Votes>::line(const TemplateSet &set, uint32_t template_of_line, const Slot *slots) {
    const uint32_t id = template_id(set.count(), template_of_line);
    left_ = Value::number(id);
    left2_ = Value();
    has_number_ = false;
    for (const Part &part : set.of(id)) {
        if constexpr (!kEncodes) {
            require(part.size <= size_ - at_, "log lines hold more than the frame");
            std::memcpy(frame_ + at_, set.text.data() + part.literal, part.size);
        }
        at_ += part.size;
        if (part.column == kNoColumn) break;
        value(part.column, set.columns[part.column].cls, slots);
        if constexpr (kEncodes) ++slots;
    }
}

template <class Coder, class Votes>
void RowModel<Coder, Votes>::write(uint8_t cls, Value v) {
    if (is_number(cls)) {
        uint8_t text[kMaxNumberText];
        const size_t n = write_number(cls, v.bits, text);
        require(n != 0, "a log value is out of the range of its class");
        require(n <= size_ - at_, "log lines hold more than the frame");
        std::memcpy(const_cast<uint8_t *>(frame_) + at_, text, n);
        at_ += n;
    } else {
        require(v.size() <= size_ - at_, "log lines hold more than the frame");
        std::memcpy(const_cast<uint8_t *>(frame_) + at_, frame_ + v.start(), v.size());  // ends before at_
        at_ += v.size();
    }
}

template <class Coder, class Votes>
Value RowModel<Coder, Votes>::value(uint32_t column, uint8_t cls, const Slot *slot) {
    ColumnState &state = columns_[column];
    const bool number = is_number(cls);
    Value v;
    if constexpr (kEncodes)
        v = number ? Value::number(read_number(cls, frame_ + slot->start, slot->length))
                   : Value::text(frame_, slot->start, slot->length);
    if (state.method == Method::constant && state.last.hash) {
        v = state.last;
        if constexpr (kEncodes) {
            at_ += slot->length;
        } else {
            write(cls, v);
        }
        return v;
    }

    const uint64_t here = mix(column, 0xc01u);
    const uint64_t with_left = mix(here, left_.hash), with_both = mix(with_left, left2_.hash);
    Expected *sources[] = {&expected(with_both + 1), &expected(with_left + 2),
                           &expected(mix(mix(here, state.last.hash), state.before.hash))};
    // In the order of trust. Those without an entry have no count of hits.
    Value candidates[kCandidates] = {sources[0]->value, sources[1]->value, state.last, sources[2]->value};
    const uint32_t trust[kCandidates] = {sources[0]->hits, sources[1]->hits, 0, sources[2]->hits};
    if (number) {
        if (state.before.hash) candidates[4] = Value::number(2 * state.last.bits - state.before.bits);
        if (sources[1]->value.hash) candidates[5] = Value::number(sources[1]->value.bits + sources[1]->step);
    }
    if (state.source != kNoColumn) {
        candidates[6] = expected(mix(mix(state.source, 0xc01u), left_.hash) + 2).value;
        candidates[7] = columns_[state.source].last;
    }

    bool hit = false;
    for (unsigned k = 0; k < kCandidates && !hit; ++k) {
        const Value c = candidates[k];
        // A number of another column can turn up where hashes collide.
        if (c.hash == 0 || (!number && (c.size() == 0 || c.start() + c.size() > at_))) continue;
        bool tried = false;
        uint64_t agree = 0;
        for (unsigned j = 0; j < k; ++j) tried |= candidates[j].hash == c.hash;
        if (tried) continue;
        for (unsigned j = k + 1; j < kCandidates; ++j) agree |= static_cast<uint64_t>(candidates[j].hash == c.hash) << j;
        const uint64_t hits = std::min(trust[k], 7u);
        const uint64_t place = agree * 8 + k;
        const uint64_t contexts[] = {mix(here, place), mix(mix(cls, hits), place + 4096), mix(here, mix(state.history & 63u, k)),
                                     mix(with_left, k)};
        bool same = false;
        if constexpr (kEncodes)
            same = number ? v.bits == c.bits
                          : v.hash == c.hash && v.size() == c.size() &&
                                std::memcmp(frame_ + v.start(), frame_ + c.start(), c.size()) == 0;
        hit = mixer_.flag(contexts, k * 8 + (number ? 4 : 0) + static_cast<uint32_t>(std::min<uint64_t>(hits, 3)), same);
        if (hit) {
            if constexpr (kEncodes) {
                at_ += slot->length;
            } else {
                const size_t start = at_;
                write(cls, c);
                v = number ? c : Value{static_cast<uint64_t>(start) << 32 | c.size(), c.hash};
            }
        }
    }
    state.history = static_cast<uint8_t>(state.history << 1 | hit);
    if (!hit) v = spelled(column, state, cls, v, slot);

    for (Expected *e : sources) learn(*e, v);
    state.before = state.last;
    state.last = v;
    uint32_t &seen_in = seen_in_[v.hash >> 16];
    if (!hit && seen_in) {
        const uint32_t other = seen_in - 1;
        if (other != column && is_number(set_->columns[other].cls) == number) state.source = other;
    }
    seen_in = column + 1;
    if (state.is_key) {
        left2_ = left_;
        left_ = v;
    }
    if (number) {
        last_number_ = v.bits;
        has_number_ = true;
    }
    return v;
}

template <class Coder, class Votes>
Value RowModel<Coder, Votes>::spelled(uint32_t column, ColumnState &state, uint8_t cls, Value v, const Slot *slot) {
    const size_t start = at_;
    if (state.method == Method::text || !is_number(cls)) {
        const size_t length = kEncodes ? slot->length : 0;
        const size_t n = state.method == Method::noise ? noise(column, length) : text(column, state, cls, length);
        if (!is_number(cls)) return kEncodes ? v : Value::text(frame_, start, n);
        if constexpr (kEncodes) return v;
        require(n <= 18 && (n == 1 || frame_[start] != '0') &&
                    std::all_of(frame_ + start, frame_ + at_, [](uint8_t c) { return c >= '0' && c <= '9'; }),
                "a log integer has other bytes than digits");
        return Value::number(read_number(cls, frame_ + start, n));
    }
    const uint64_t base = state.method == Method::neighbour && has_number_ ? last_number_ : state.last.bits;
    const uint64_t delta = difference(column, state, v.bits - base);
    if constexpr (kEncodes) {
        at_ += slot->length;
        return v;
    }
    v = Value::number(base + delta);
    write(cls, v);
    return v;
}

template <class Coder, class Votes>
uint64_t RowModel<Coder, Votes>::difference(uint32_t column, ColumnState &state, uint64_t delta) {
    const uint64_t here = mix(column, 0xdeau);
    const bool negative = delta >> 63;
    uint64_t magnitude = negative ? -delta : delta;
    auto width = static_cast<uint32_t>(std::bit_width(magnitude));
    const uint64_t with_id = mix(here, ids_[0]);
    const uint64_t contexts[] = {here,
                                 mix(here, state.sizes[0] + 1),
                                 mix(here, state.sizes[0] + 256 * state.sizes[1] + 1000),
                                 mix(here, left_.hash + (uint64_t{1} << 34)),
                                 with_id,
                                 mix(with_id, ids_[1])};
    const uint32_t symbol = mixer_.bits(contexts, 8, 1004, width * 2 + negative);
    width = symbol >> 1;
    require(width <= 64, "a log number differs by more than 64 bits");
    state.sizes[1] = state.sizes[0];
    state.sizes[0] = static_cast<uint8_t>(symbol);
    if (width < 2) return symbol & 1 ? 0 - uint64_t{width} : width;
    uint64_t done = 1;  // the leading one
    for (unsigned left = width - 1; left;) {
        const unsigned n = left > 8 ? 8 : left;
        left -= n;
        const uint64_t place = mix(symbol, left);
        const uint64_t inner[] = {mix(here, mix(place, done)), mix(here + 1, place), mix(with_id + 2, mix(place, done)),
                                  mix(mix(here, left_.hash), mix(place, done))};
        done = done << n | mixer_.bits(inner, n, 1005 + std::min(left / 8, 2u), magnitude >> left & 255);
    }
    return symbol & 1 ? 0 - done : done;
}

// The next byte of a text; false for its end.
template <class Coder, class Votes>
bool RowModel<Coder, Votes>::next(uint32_t c) {
    if (c == '\n') return false;
    if constexpr (!kEncodes) {
        require(at_ < size_, "log lines hold more than the frame");
        frame_[at_] = static_cast<uint8_t>(c);
    }
    ++at_;
    return true;
}

template <class Coder, class Votes>
size_t RowModel<Coder, Votes>::noise(uint32_t column, size_t length) {
    const size_t start = at_;
    const uint64_t here = mix(column, 0x401u);
    for (size_t k = 0;; ++k) {
        const uint64_t there = mix(here, std::min<size_t>(k, 63) + 1);
        if (!next(mixer_.byte(here, there, kEncodes ? (k < length ? frame_[at_] : '\n') : 0))) break;
    }
    require(at_ > start, "an empty log value");
    return at_ - start;
}

// Whether the next kRun bytes are those at `match`; decoding: writes them. `left` bytes remain when encoding.
template <class Coder, class Votes>
bool RowModel<Coder, Votes>::run(size_t match, size_t match_length, size_t left) {
    if (match + kRun > at_ || kRun > size_ - at_ || std::memchr(frame_ + match, '\n', kRun)) return false;
    const uint64_t contexts[] = {std::min<size_t>(match_length, 400) / 16, mix(behind(1), 0x70u)};
    bool same = false;
    if constexpr (kEncodes) same = left >= kRun && std::memcmp(frame_ + match, frame_ + at_, kRun) == 0;
    same = mixer_.flag(contexts, 210, same);
    if constexpr (!kEncodes)
        if (same) std::memcpy(frame_ + at_, frame_ + match, kRun);
    return same;
}

template <class Coder, class Votes>
size_t RowModel<Coder, Votes>::text(uint32_t column, const ColumnState &state, uint8_t cls, size_t length) {
    const size_t start = at_;
    const uint64_t here = mix(column, 0x7e8u);
    const bool old_text = state.last.hash && !is_number(cls);
    const uint8_t *const old = frame_ + (old_text ? state.last.start() : 0);
    const size_t old_size = old_text ? state.last.size() : 0;
    const bool may_guess = cls != kInteger && cls != kDigits;
    uint64_t word = 0;
    bool agrees = true;
    size_t match = 0, match_length = 0, no_run_before = 0;
    uint64_t recent = 0;  // the bytes before, the last one lowest
    for (size_t n = std::min<size_t>(at_, 8); n; --n) recent = recent << 8 | frame_[at_ - n];
    for (size_t k = 0;; ++k) {
        uint32_t &place = matches_[(recent & 0xffffffffff) * 0x9e3779b97f4a7c15u >> match_shift_];
        if (match == 0) {
            match = place < at_ ? place : 0;  // a value that ended here may have left this very place
            match_length = 0;
            if (match) {
                while (match_length < 32 && match_length < match &&
                       frame_[match - 1 - match_length] == frame_[at_ - 1 - match_length])
                    ++match_length;
                if (match_length < kMatch) match = 0;
            }
        }
        place = static_cast<uint32_t>(at_);
        if (match && match_length >= kRunLength && at_ >= no_run_before) {
            if (run(match, match_length, length - k)) {
                for (size_t j = 0; j < kRun; ++j) {
                    const uint8_t c = frame_[at_ + j];
                    agrees = agrees && k + j < old_size && old[k + j] == c;
                    word = is_alphanumeric(c) ? mix(word, c) : c;
                    recent = recent << 8 | c;
                }
                at_ += kRun;
                match += kRun;
                match_length += kRun;
                k += kRun - 1;
                continue;
            }
            no_run_before = at_ + kRun;
        }
        const uint8_t above = k < old_size ? old[k] : '\n';
        const uint64_t two = recent & 0xffff;
        const uint64_t contexts[] = {
            mix(here, above + 256 * std::min<size_t>(k, 255) + (agrees ? 1u << 16 : 0u) + (1u << 17)),
            mix(word, cls),
            mix(two, 0x200u + cls),
            mix(recent & 0xffffff, 3),
        };
        const int expected = match ? frame_[match] : -1;
        const uint32_t set = (cls & 31u) * 4 + static_cast<uint32_t>(std::min<size_t>(k, 3));
        const uint32_t actual = kEncodes ? (k < length ? frame_[at_] : '\n') : 0;
        // Where a text goes on as one before did, one decision mostly does for the byte.
        uint32_t c = static_cast<uint32_t>(expected);
        const bool guesses = may_guess && match && match_length >= kGuessLength;
        bool guessed = false;
        if (guesses) {
            const uint64_t alike = (std::min<size_t>(match_length, 31) * 2 + agrees) * 4 + (c == above) * 2 + (above == '\n');
            const uint64_t inner[] = {mix(alike, 0x71u), mix(two & 255, c + 0x7200u), mix(here, c + 256u * above + 0x730000u),
                                      mix(word, c + 0x740000u)};
            guessed = mixer_.flag(inner, 211 + static_cast<uint32_t>(std::min<size_t>(match_length, 31)), actual == c);
        }
        if (!guessed) {
            const auto strength = static_cast<unsigned>(std::min<size_t>(match_length / 2, 15));
            c = mixer_.bits(contexts, 8, set, actual, guesses ? -1 : expected, strength);
        }
        if (!next(c)) break;
        if (match) {
            if (expected == static_cast<int>(c)) {
                ++match;
                ++match_length;
            } else {
                match = 0;
            }
        }
        agrees = agrees && c == above;
        word = is_alphanumeric(c) ? mix(word, c) : c;
        recent = recent << 8 | c;
    }
    require(at_ > start, "an empty log value");
    return at_ - start;
}

}  // namespace laconic::logs
