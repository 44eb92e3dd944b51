// What the wide model knows about the text so far beside its last bytes: words, lines and columns, open tags and brackets, the
// kinds of the last characters, and what followed the last bytes before.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "mixing/large_array.h"
#include "mixing/past.h"
#include "text/byte_coder.h"

namespace laconic::text {

class TextState {
public:
    explicit TextState(Content content)
        : text_content_(content == Content::text),
          follow2_(size_t{1} << 16),
          follow_word_(size_t{1} << 16),
          follow_words_(size_t{1} << 18) {}

    uint32_t classes = 0;  // of the last ten characters, 3 bits each
    uint32_t column = 0;   // since the line began

    uint32_t order(size_t n) const { return order_[n]; }
    uint32_t word_hash() const { return word_ ^ word_ >> 16; }
    uint32_t word_length() const { return word_length_; }
    // Where lines are broken by their length, what is next depends on the place in the line, and in its first word on how long
    // the line before has become.
    uint32_t place_in_lines() const { return line_words_ == 0 ? 256 + std::min(line_length_, 255u) : std::min(column, 255u); }
    size_t tag_depth() const { return std::min<size_t>(depth_, 7); }
    size_t word_class(const mixing::Past &past) const {
        if (!text_content_) return past.size() & 7;
        return word_length_ > 0 ? std::min(word_length_, 5u) - 1 : last_ == ' ' ? 5 : last_ - '0' < 10u ? 6 : 7;
    }

    // After past.back(1) was appended.
    void add(const mixing::Past &past) {
        const uint32_t b1 = past.back(1), b2 = past.back(2), b3 = past.back(3);
        last_ = b1;
        follow2_[b3 << 8 | b2] = follow2_[b3 << 8 | b2] << 8 | b1;
        fold(b1, b2);
        words(b1);
        lines(past, b1);
        tags(b1);
        classes = classes << 3 | kind(b1);
        uint32_t hash = 0x51ED270Bu;
        for (size_t i = 1; i < order_.size(); ++i) order_[i] = hash = combine(hash, i <= 8 ? folded(i) : past.back(i));
    }

    // The contexts of the next byte, hashed.
    template <size_t N>
    void contexts(const mixing::Past &past, std::array<uint32_t, N> &hash) const {
        const uint32_t b1 = folded(1), b2 = past.back(2), b3 = past.back(3), b4 = past.back(4);
        const uint32_t above = line_ > 0 && column < line_length_ ? *past.at(previous_line_ + column) : 0;
        const uint32_t w0 = word_, w1 = before_[0], w2 = before_[1];
        const uint32_t after1 = follow_word_[word_place(w1)], after2 = follow_words_[words_place(w1, w2)];
        std::array<uint32_t, N> contexts = {
            order_[2],
            order_[3],
            order_[4],
            order_[5],
            order_[6],
            order_[7],
            order_[9],
            combine(w0, b1),
            combine(combine(w0, w1), b1),
            combine(combine(combine(w0, w1), w2), b1),
            combine(combine(w0, w2), b1 + 7),
            combine(w1, past.back(1) << 8 | b2),
            combine(combine(w0, after1), 31),
            combine(combine(w0, after2), 33),
            0,  // nothing: order 0 by its history
            combine(combine(place_in_lines(), word_length_), b1 + 51),
            b1 << 8 | b3,
            b2 << 8 | b3,
            combine(tag_, combine(w0, 11)),
            combine(follow2_[b2 << 8 | past.back(1)] & 0xffffff, b1),
            combine(classes, b1),
            combine(combine(w0, classes & 0777777), 43),
            combine(classes & 0xfff, combine(w0, 77)),
            combine(above << 8 | b1, std::min(column, 255u)),
            combine(tag_, b1 << 8 | b2),
            combine(first_word_, combine(w0, b1)),
        };
        if (!text_content_) {
            const uint32_t b5 = past.back(5), b8 = past.back(8), place = static_cast<uint32_t>(past.size());
            // In the places of the words and tags.
            contexts[7] = b1 << 16 | b4 << 8 | b8;
            contexts[8] = b3 << 8 | b4;
            contexts[9] = b4;
            contexts[10] = b2 << 8 | b4;
            contexts[11] = b4 << 8 | b8;
            contexts[12] = b4 << 8 | (place & 3);
            contexts[13] = b1 << 16 | b3 << 8 | b4;
            contexts[14] = b2 << 16 | b3 << 8 | b4;
            contexts[24] = b1 << 8 | b4;
            contexts[25] = b4 << 16 | b5 << 8 | b1;
            contexts[21] = b1 << 16 | b2 << 8 | (place & 7);
        }
        for (size_t i = 0; i < N; ++i) hash[i] = combine(contexts[i], static_cast<uint32_t>(i + 1) * 0x01000193u);
    }

private:
    static constexpr uint32_t kShortestLine = 50, kLongestLine = 90;  // of paragraphs with lines of their own

    static uint32_t combine(uint32_t hash, uint32_t value) { return (hash + value + 1) * 0x2F0B4C47u ^ (hash >> 15); }
    static size_t word_place(uint32_t word) { return word * 0x9E3779B1u >> 16; }
    static size_t words_place(uint32_t word, uint32_t before) { return combine(word, before) * 0x9E3779B1u >> 14; }

    // The byte `i` places back, 1 for the last, 8 at most; an end of a line within a paragraph counts as a space.
    uint32_t folded(size_t i) const { return static_cast<uint32_t>(folded_ >> (8 * (i - 1)) & 0xff); }
    void fold(uint32_t b1, uint32_t b2) {
        const bool wrapped = b1 == 10 && column >= kShortestLine && column <= kLongestLine && text_content_;
        folded_ = folded_ << 8 | (wrapped ? ' ' : b1);
        if (b1 == 10 && b2 == 10) folded_ = (folded_ & ~uint64_t{0xffff}) | 0x0a0a;  // that was the paragraph's last line
    }

    static bool is_letter(uint32_t byte) {
        const uint32_t c = byte | 32;
        return (c >= 'a' && c <= 'z' && byte < 128) || byte >= 128;
    }
    // 0 other, 1 small, 2 capital, 3 digit, 4 space, 5 line end, 6 quote or bracket, 7 not ASCII.
    static uint32_t kind(uint32_t byte) {
        if (byte >= 128) return 7;
        if (byte >= 'a' && byte <= 'z') return 1;
        if (byte >= 'A' && byte <= 'Z') return 2;
        if (byte >= '0' && byte <= '9') return 3;
        if (byte == ' ') return 4;
        if (byte == 10) return 5;
        return byte == '"' || byte == '\'' || byte == '<' || byte == '[' || byte == '(' || byte == '{' ? 6 : 0;
    }

    void words(uint32_t byte) {
        if (is_letter(byte)) {
            word_ = combine(word_, byte >= 128 ? byte : byte | 32);
            ++word_length_;
        } else if (word_length_ > 0) {
            if (line_words_++ == 0) first_word_ = word_;
            follow_word_[word_place(before_[0])] = word_;
            follow_words_[words_place(before_[0], before_[1])] = word_;
            before_ = {word_, before_[0]};
            word_ = word_length_ = 0;
        }
    }

    void lines(const mixing::Past &past, uint32_t byte) {
        if (byte != 10) {
            ++column;
            return;
        }
        previous_line_ = line_start_;
        line_start_ = past.size();
        line_length_ = column;
        column = 0;
        line_words_ = 0;
        first_word_ = 0;
        ++line_;
    }

    // Open elements of XML and brackets of JSON: a hash of their names.
    void tags(uint32_t byte) {
        if (byte == '<') {
            in_tag_ = 1, tag_name_ = 0;
        } else if (in_tag_ == 1) {
            if (byte == '/' && tag_name_ == 0) {
                in_tag_ = 0;
                pop();
            } else if (byte == '>' || byte == ' ') {
                push(tag_name_);
                in_tag_ = byte == ' ' ? 2 : 0;
            } else {
                tag_name_ = combine(tag_name_, byte);
            }
        } else if (in_tag_ == 2 && byte == '>') {
            if (last_but_one_ == '/') pop();
            in_tag_ = 0;
        } else if (byte == '{' || byte == '[') {
            push(combine(before_[0], byte));
        } else if (byte == '}' || byte == ']') {
            pop();
        }
        last_but_one_ = byte;
    }
    void push(uint32_t name) {
        stack_[depth_ % stack_.size()] = tag_;
        ++depth_;
        tag_ = name;
    }
    void pop() {
        if (depth_ == 0) return;
        --depth_;
        tag_ = stack_[depth_ % stack_.size()];
    }

    bool text_content_;
    mixing::LargeArray<uint32_t> follow2_;
    mixing::LargeArray<uint32_t> follow_word_, follow_words_;  // the word that came last after a word, after two
    std::array<uint32_t, 10> order_{};
    std::array<uint32_t, 2> before_{};  // the last words
    uint64_t folded_ = 0;
    uint32_t word_ = 0, word_length_ = 0, last_ = 0, first_word_ = 0, line_words_ = 0;
    size_t line_start_ = 0, previous_line_ = 0, line_ = 0;
    uint32_t line_length_ = 0;
    std::array<uint32_t, 64> stack_{};
    size_t depth_ = 0;
    uint32_t tag_ = 0, tag_name_ = 0, in_tag_ = 0, last_but_one_ = 0;
};

}  // namespace laconic::text
