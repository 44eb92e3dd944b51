// Typed tokens of a log line: what may be cut out of it as the value of a slot, and how such a value is written back.
//
// A line is a template (literal bytes and slots) and the slots' values. A slot's class says how its value is kept: as text, or as
// an integer that write_number turns into exactly the bytes that were read. scan() only reports a number where that is so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace laconic::logs {

// Slot classes, as they stand in stored templates. Classes below kTime hold text, except kInteger.
enum SlotClass : uint8_t {
    kInteger = 'd',          // up to 18 digits, no leading zero
    kDigits = 'n',           // other digits: zero-led, wide, fractions
    kMixed = 'x',            // letters and digits
    kAddress = 'i',          // IPv4
    kUuid = 'u',             // 8-4-4-4-12 hexadecimal digits
    kWord = 'w',             // letters, where words are slots
    kQuoted = 'q',           // what stands between two quotation marks
    kLine = 'f',             // a whole line
    kTime = 0x80,            // HH:MM:SS, then kTime + 10 * separator + digits with a fraction; separator: 1 '.', 2 ',', 3 ':'
    kDate = 0xb0,            // YYYY-MM-DD; + 1 with '/', + 2 with '.'
    kDateClf = 0xb3,         // DD/Mon/YYYY
    kDateMonthBlank = 0xb4,  // Mon DD, the day padded with a blank
    kDateMonthZero = 0xb5,   // Mon DD, the day padded with a zero
    kEpoch = 0xc0,           // + digits: ten digits, a point, 1 to 9 digits
};

bool is_slot_class(uint8_t c);
inline bool is_number(uint8_t c) { return c == kInteger || c >= kTime; }

struct Slot {
    uint32_t start;
    uint32_t length : 24;
    uint32_t cls : 8;
};

// What is cut out of a line, from the least to the most.
// values: what has a class of its own; quotes: also what stands in quotation marks; words: also words; head: values up to where
// the message seems to begin, then the rest as one; line: all as one.
enum class Cut : uint8_t { values, quotes, words, head, line };

// The slots of line[0, size), in order. `base` is added to their starts. Lines are shorter than 2^24 bytes.
void scan(const uint8_t *line, size_t size, Cut cut, uint32_t base, std::vector<Slot> &slots);

constexpr size_t kMaxNumberText = 32;

// The integer of a slot that is_number, from a text that scan() found to be of that class.
uint64_t read_number(uint8_t cls, const uint8_t *text, size_t size);

// Writes the text of a number, at most kMaxNumberText bytes, and returns its size; 0 if there is no such text (a hostile value).
size_t write_number(uint8_t cls, uint64_t value, uint8_t *out);

}  // namespace laconic::logs
