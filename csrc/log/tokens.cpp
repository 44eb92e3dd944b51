#include "log/tokens.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace laconic::logs {

namespace {

enum Kind : uint8_t { kOther = 0, kDigit = 1, kLetter = 2 };

constexpr std::array<uint8_t, 256> kKinds = [] {
    std::array<uint8_t, 256> kinds{};
    for (int c = 0; c < 256; ++c) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;  // any part of a UTF-8 character
        kinds[c] = c >= '0' && c <= '9' ? kDigit : letter ? kLetter : kOther;
    }
    return kinds;
}();

constexpr uint64_t kPowers[19] = {1u,
                                  10u,
                                  100u,
                                  1000u,
                                  10000u,
                                  100000u,
                                  1000000u,
                                  10000000u,
                                  100000000u,
                                  1000000000u,
                                  10000000000u,
                                  100000000000u,
                                  1000000000000u,
                                  10000000000000u,
                                  100000000000000u,
                                  1000000000000000u,
                                  10000000000000000u,
                                  100000000000000000u,
                                  1000000000000000000u};

constexpr char kMonths[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
constexpr char kSeparators[] = "\0.,:";
constexpr char kDateSeparators[] = "-/.";

constexpr size_t kMinHead = 8, kMaxHead = 160;  // bytes of a line that may be its head

bool is_digit(uint8_t c) { return kKinds[c] == kDigit; }

bool is_hex(uint8_t c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// Two digits as a number; 100 or more if they are not digits.
unsigned two(const uint8_t *p) {
    const unsigned a = static_cast<unsigned>(p[0] - '0'), b = static_cast<unsigned>(p[1] - '0');
    return a > 9 || b > 9 ? 100 : 10 * a + b;
}

unsigned month(const uint8_t *p) {
    for (unsigned m = 0; m < 12; ++m)
        if (std::memcmp(p, kMonths + 3 * m, 3) == 0) return m + 1;
    return 0;
}

uint64_t digits(const uint8_t *p, size_t n) {
    uint64_t value = 0;
    for (size_t k = 0; k < n; ++k) value = 10 * value + (p[k] - '0');
    return value;
}

void put_digits(uint64_t value, size_t n, uint8_t *out) {
    for (size_t k = n; k-- > 0; value /= 10) out[k] = static_cast<uint8_t>('0' + value % 10);
}

size_t run_of_digits(const uint8_t *p, size_t left, size_t most) {
    size_t n = 0;
    while (n < left && n < most && is_digit(p[n])) ++n;
    return n;
}

// The token at p, of which `left` bytes remain: its size, or 0.

size_t match_time(const uint8_t *p, size_t left, uint8_t &cls) {
    if (left < 8 || p[2] != ':' || p[5] != ':') return 0;
    if (two(p) > 23 || two(p + 3) > 59 || two(p + 6) > 59 || (left > 8 && is_digit(p[8]))) return 0;
    cls = kTime;
    if (left < 10) return 8;
    for (unsigned s = 1; s <= 3; ++s) {
        if (p[8] != static_cast<uint8_t>(kSeparators[s])) continue;
        const size_t n = run_of_digits(p + 9, left - 9, 10);
        if (n == 0 || n > 9 || (s == 3 && n != 3)) break;
        cls = static_cast<uint8_t>(kTime + 10 * s + n);
        return 9 + n;
    }
    return 8;
}

size_t match_date(const uint8_t *p, size_t left, uint8_t &cls) {  // p begins with four digits
    if (left < 10 || p[4] != p[7]) return 0;
    const char *separator = p[4] ? std::strchr(kDateSeparators, p[4]) : nullptr;
    if (separator == nullptr || two(p + 5) > 12 || two(p + 8) > 31 || (left > 10 && is_digit(p[10]))) return 0;
    cls = static_cast<uint8_t>(kDate + (separator - kDateSeparators));
    return 10;
}

size_t match_date_clf(const uint8_t *p, size_t left) {  // p begins with two digits
    if (left < 11 || p[2] != '/' || p[6] != '/' || two(p) > 31 || month(p + 3) == 0) return 0;
    if (two(p + 7) > 99 || two(p + 9) > 99 || (left > 11 && is_digit(p[11]))) return 0;
    return 11;
}

size_t match_date_month(const uint8_t *p, size_t left, uint8_t &cls) {  // p begins with three letters
    if (left < 6 || p[3] != ' ' || !is_digit(p[5]) || (left > 6 && is_digit(p[6])) || month(p) == 0) return 0;
    const unsigned ten = p[4] == ' ' ? 0 : static_cast<unsigned>(p[4] - '0');
    if (ten > 3 || (ten == 3 && p[5] > '1')) return 0;
    cls = p[4] == '0' ? kDateMonthZero : kDateMonthBlank;
    return 6;
}

size_t match_address(const uint8_t *p, size_t left) {
    size_t at = 0;
    for (int part = 0; part < 4; ++part) {
        const size_t n = run_of_digits(p + at, left - at, 4);
        if (n == 0 || n > 3) return 0;
        at += n;
        if (part < 3 && (at >= left || p[at++] != '.')) return 0;
    }
    return at < left && (kKinds[p[at]] != kOther || (p[at] == '.' && at + 1 < left && is_digit(p[at + 1]))) ? 0 : at;
}

size_t match_uuid(const uint8_t *p, size_t left) {  // p[8] is '-'
    if (left < 36 || p[13] != '-' || p[18] != '-' || p[23] != '-') return 0;
    for (int k = 0; k < 36; ++k)
        if (!is_hex(p[k]) && k != 8 && k != 13 && k != 18 && k != 23) return 0;
    return left > 36 && kKinds[p[36]] != kOther ? 0 : 36;
}

size_t match_epoch(const uint8_t *p, size_t left, uint8_t &cls) {  // p begins with ten digits and a point
    const size_t n = run_of_digits(p + 11, left - 11, 10);
    if (p[0] == '0' || n == 0 || n > 8) return 0;
    cls = static_cast<uint8_t>(kEpoch + n);
    return 11 + n;
}

// Where the message of a line seems to begin: after the first colon or bracket that a blank follows.
size_t head_size(const uint8_t *line, size_t size) {
    const size_t most = std::min(size, kMaxHead);
    for (const char mark : {':', ']'})
        for (size_t k = kMinHead; k + 1 < most; ++k)
            if (line[k] == mark && line[k + 1] == ' ') return k + 2;
    return 0;
}

}  // namespace

bool is_slot_class(uint8_t c) {
    switch (c) {
        case kInteger:
        case kDigits:
        case kMixed:
        case kAddress:
        case kUuid:
        case kWord:
        case kQuoted:
        case kLine:
        case kTime:
            return true;
        default:
            if (c > kTime && c < kTime + 40) return c > kTime + 10 && (c - kTime) % 10 != 0;
            return (c >= kDate && c <= kDateMonthZero) || (c > kEpoch && c <= kEpoch + 8);
    }
}

void scan(const uint8_t *line, size_t size, Cut cut, uint32_t base, std::vector<Slot> &slots) {
    const auto add = [&](size_t start, size_t length, uint8_t cls) {
        slots.push_back({static_cast<uint32_t>(base + start), static_cast<uint32_t>(length), cls});
    };
    if (cut == Cut::line || cut == Cut::head) {
        const size_t head = cut == Cut::head ? head_size(line, size) : 0;
        scan(line, head, Cut::values, base, slots);
        if (size > head) add(head, size - head, kLine);
        return;
    }
    const uint8_t *const end = line + size;
    for (const uint8_t *p = line; p < end;) {
        const uint8_t kind = kKinds[*p];
        if (kind == kOther) {
            if (*p++ != '"' || cut == Cut::values) continue;
            const auto *close = static_cast<const uint8_t *>(std::memchr(p, '"', static_cast<size_t>(end - p)));
            if (close == nullptr) continue;
            if (close > p) add(static_cast<size_t>(p - line), static_cast<size_t>(close - p), kQuoted);
            p = close + 1;
            continue;
        }
        const uint8_t *stop = p + 1;
        uint8_t kinds = kind;
        while (stop < end && kKinds[*stop] != kOther) kinds |= kKinds[*stop++];
        const auto n = static_cast<size_t>(stop - p), left = static_cast<size_t>(end - p);
        const uint8_t next = stop < end ? *stop : 0;
        size_t taken = 0;
        uint8_t cls = 0;
        if (n == 8 && next == '-' && (taken = match_uuid(p, left))) {
            cls = kUuid;
        } else if (kinds == kDigit) {
            if (n == 2 && next == ':') {
                taken = match_time(p, left, cls);
            } else if (n == 4) {
                taken = match_date(p, left, cls);
                if (taken && taken < left && p[taken] == 'T') {  // so that T does not cling to the hour
                    add(static_cast<size_t>(p - line), taken, cls);
                    p += taken + 1;
                    continue;
                }
            } else if (n == 2 && next == '/') {
                taken = match_date_clf(p, left);
                cls = kDateClf;
            } else if (n <= 3 && next == '.') {
                taken = match_address(p, left);
                cls = kAddress;
            } else if (n == 10 && next == '.') {
                taken = match_epoch(p, left, cls);
            }
            if (taken == 0) {
                const bool fraction = p - line >= 2 && p[-1] == '.' && is_digit(p[-2]);
                cls = n > 18 || (*p == '0' && n > 1) || fraction ? kDigits : kInteger;
                taken = n;
            }
        } else if (kinds == kLetter) {
            if (n == 3 && next == ' ' && (taken = match_date_month(p, left, cls))) {
            } else if (cut == Cut::words) {
                cls = kWord;
                taken = n;
            } else {
                p = stop;
                continue;
            }
        } else {
            // A time that letters follow ("12:00:00Z" ends the run before them, "29T12:00:00" is cut above).
            cls = kMixed;
            taken = n;
        }
        add(static_cast<size_t>(p - line), taken, cls);
        p += taken;
    }
}

uint64_t read_number(uint8_t cls, const uint8_t *p, size_t n) {
    if (cls == kInteger) return digits(p, n);
    if (cls >= kEpoch) return digits(p, 10) * kPowers[cls - kEpoch] + digits(p + 11, n - 11);
    if (cls == kDateClf) return (digits(p + 7, 4) * 16 + month(p + 3)) * 32 + two(p);
    if (cls >= kDateMonthBlank) return month(p) * 32 + (p[4] == ' ' ? 0u : 10u * (p[4] - '0')) + (p[5] - '0');
    if (cls >= kDate) return (digits(p, 4) * 16 + two(p + 5)) * 32 + two(p + 8);
    const uint64_t seconds = (two(p) * 60 + two(p + 3)) * 60 + two(p + 6);
    const unsigned places = (cls - kTime) % 10;
    return seconds * kPowers[places] + (places ? digits(p + 9, places) : 0);
}

size_t write_number(uint8_t cls, uint64_t value, uint8_t *out) {
    if (cls == kInteger) {
        uint8_t reversed[20];
        size_t n = 0;
        do reversed[n++] = static_cast<uint8_t>('0' + value % 10);
        while (value /= 10);
        for (size_t k = 0; k < n; ++k) out[k] = reversed[n - 1 - k];
        return n;
    }
    if (cls >= kEpoch) {
        const unsigned places = cls - kEpoch;
        const uint64_t seconds = value / kPowers[places];
        if (seconds >= kPowers[10]) return 0;
        put_digits(seconds, 10, out);
        out[10] = '.';
        put_digits(value % kPowers[places], places, out + 11);
        return 11 + places;
    }
    if (cls >= kDate) {
        const uint64_t day = value % 32, number = value / 32 % 16, year = value / 512;
        if (day > 31 || year > 9999) return 0;
        if (cls < kDateClf) {
            const auto separator = static_cast<uint8_t>(kDateSeparators[cls - kDate]);
            put_digits(year, 4, out);
            out[4] = out[7] = separator;
            put_digits(number, 2, out + 5);
            put_digits(day, 2, out + 8);
            return 10;
        }
        if (number < 1 || number > 12) return 0;
        if (cls == kDateClf) {
            put_digits(day, 2, out);
            out[2] = out[6] = '/';
            std::memcpy(out + 3, kMonths + 3 * (number - 1), 3);
            put_digits(year, 4, out + 7);
            return 11;
        }
        if (year) return 0;
        std::memcpy(out, kMonths + 3 * (number - 1), 3);
        out[3] = ' ';
        put_digits(day, 2, out + 4);
        if (cls == kDateMonthBlank && day < 10) out[4] = ' ';
        return 6;
    }
    const unsigned places = (cls - kTime) % 10, separator = (cls - kTime) / 10;
    const uint64_t seconds = value / kPowers[places];
    if (seconds >= 100 * 3600) return 0;
    put_digits(seconds / 3600, 2, out);
    out[2] = out[5] = ':';
    put_digits(seconds / 60 % 60, 2, out + 3);
    put_digits(seconds % 60, 2, out + 6);
    if (places == 0) return 8;
    out[8] = static_cast<uint8_t>(kSeparators[separator]);
    put_digits(value % kPowers[places], places, out + 9);
    return 9 + places;
}

}  // namespace laconic::logs
