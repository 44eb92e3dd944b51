#include "log/grams.h"

#include <array>

namespace laconic::logs {

namespace {

// A byte as it counts in grams; 0 for digits, which grams do not hold (and for 0 itself).
constexpr std::array<uint8_t, 256> kFolded = [] {
    std::array<uint8_t, 256> folded{};
    for (int c = 0; c < 256; ++c) folded[c] = static_cast<uint8_t>(c >= '0' && c <= '9' ? 0 : c >= 'A' && c <= 'Z' ? c + 32 : c);
    return folded;
}();

// Calls visit(hash of the gram) until it returns false.
template <class Visit>
bool each_gram(const uint8_t *data, size_t size, unsigned bits, Visit visit) {
    uint32_t gram = 0;
    unsigned held = 0;
    for (size_t k = 0; k < size; ++k) {
        const uint8_t c = kFolded[data[k]];
        gram = gram << 8 | c;
        held = c ? held + 1 : 0;
        if (held >= 4 && !visit(gram * 0x9e3779b1u >> (32 - bits))) return false;
    }
    return true;
}

}  // namespace

void collect_grams(const uint8_t *data, size_t size, unsigned bits, uint8_t *filter) {
    each_gram(data, size, bits, [&](uint32_t h) {
        filter[h >> 3] |= static_cast<uint8_t>(1u << (h & 7));
        return true;
    });
}

bool may_hold_grams(const uint8_t *filter, unsigned bits, const uint8_t *literal, size_t size) {
    return each_gram(literal, size, bits, [&](uint32_t h) { return (filter[h >> 3] >> (h & 7) & 1) != 0; });
}

}  // namespace laconic::logs
