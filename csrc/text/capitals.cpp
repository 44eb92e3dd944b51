#include "text/capitals.h"

#include "entropy/error.h"

namespace laconic::text {

namespace {

constexpr uint8_t kCase = 'a' - 'A';

bool is_capital(uint8_t c) { return c >= 'A' && c <= 'Z'; }
bool is_small(uint8_t c) { return c >= 'a' && c <= 'z'; }

}  // namespace

std::vector<uint8_t> mark_capitals(std::span<const uint8_t> bytes) {
    std::vector<uint8_t> form;
    form.reserve(bytes.size() + bytes.size() / 16);
    for (size_t at = 0; at < bytes.size();) {
        size_t end = at, capitals = 0;
        for (; end < bytes.size() && (is_capital(bytes[end]) || is_small(bytes[end])); ++end) capitals += is_capital(bytes[end]);
        if (end == at) {
            form.push_back(bytes[at++]);
            continue;
        }
        const bool first = capitals == 1 && is_capital(bytes[at]), all = capitals > 1 && capitals == end - at;
        if (first || all) form.push_back(first ? kCapital : kCapitals);
        for (; at < end; ++at) form.push_back((first || all) && is_capital(bytes[at]) ? bytes[at] + kCase : bytes[at]);
    }
    return form;
}

void restore_capitals(std::span<const uint8_t> form, std::span<uint8_t> bytes) {
    size_t at = 0;
    uint8_t mark = 0;
    for (uint8_t c : form) {
        if (c == kCapital || c == kCapitals) {
            if (mark == kCapital) throw CorruptData("a mark of a capital without its letter");
            mark = c;
            continue;
        }
        if (mark != 0 && is_small(c)) {
            c = static_cast<uint8_t>(c - kCase);
            if (mark == kCapital) mark = 0;
        } else if (mark == kCapital) {
            throw CorruptData("a mark of a capital without its letter");
        } else {
            mark = 0;
        }
        if (at == bytes.size()) throw CorruptData("a form with marks of capitals is too long");
        bytes[at++] = c;
    }
    if (at != bytes.size()) throw CorruptData("a form with marks of capitals is too short");
}

}  // namespace laconic::text
