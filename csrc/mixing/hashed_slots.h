// Bit histories of hashed contexts. A cache line holds three slots; a slot is a check of 16 bits, the byte that followed the
// context last and how often in a row, and the 15 histories of one nibble, so a context costs one line a nibble.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "mixing/history.h"
#include "mixing/large_array.h"

namespace laconic::mixing {

struct Slot {
    uint8_t *histories;  // index 1 .. 15 by the nibble's bits so far, starting at 1
    uint8_t *run;        // [0] the byte that came last, [1] how often in a row
};

class HashedSlots {
public:
    // 2^bits lines.
    explicit HashedSlots(unsigned bits) : mask_((size_t{1} << bits) - 1), lines_((mask_ + 1) * kLine) {}

    void prefetch(uint32_t hash) { __builtin_prefetch(line(hash)); }

    // The slot of `hash`. A new context takes the place of the one in its line whose first history says least.
    // No branch depends on the data.
    Slot find(uint32_t hash) { return find_in(line(hash), hash); }

    // The same in the line beside that of `hash`, for a context that `more` distinguishes from others with this hash.
    void prefetch_beside(uint32_t hash) { __builtin_prefetch(beside(hash)); }
    Slot find_beside(uint32_t hash, uint32_t more) { return find_in(beside(hash), hash ^ more); }

private:
    uint8_t *beside(uint32_t hash) { return lines_.data() + ((hash * size_t{0x9E3779B1} >> 20 & mask_) ^ 1) * kLine; }

    Slot find_in(uint8_t *base, uint32_t hash) {
        const uint64_t check = (hash & 0xffff) | 1;
        uint64_t checks;
        std::memcpy(&checks, base, 8);
        // The top bit of each way's 16 is set where the check is the same (and maybe in ways after the first such).
        const uint64_t other = checks ^ check * 0x100010001u;
        const uint64_t same = (other - 0x100010001u) & ~other & 0x800080008000u;
        const uint64_t keep = uint64_t{same == 0} - 1;
        // The least of three numbers that carry their way in the low bits.
        const auto worth = [&](uint32_t way) { return uint32_t{table_.worth[base[kFirst + kBytes * way]]} << 2 | way; };
        const uint64_t poorest = std::min(std::min(worth(0), worth(1)), worth(2)) & 3;
        const size_t way = (static_cast<uint64_t>(std::countr_zero(same)) >> 4 & keep) | (poorest & ~keep);
        const auto small = static_cast<uint16_t>(check);
        std::memcpy(base + 2 * way, &small, 2);
        uint8_t *const at = base + kFirst + kBytes * way;
        uint64_t a, b;
        std::memcpy(&a, at, 8), std::memcpy(&b, at + 8, 8);
        a &= keep, b &= keep, at[16] &= static_cast<uint8_t>(keep);
        std::memcpy(at, &a, 8), std::memcpy(at + 8, &b, 8);
        return {at - 1, at + 15};
    }

    static constexpr size_t kWays = 3, kFirst = 6, kBytes = 17, kLine = 64;
    uint8_t *line(uint32_t hash) { return lines_.data() + (hash * size_t{0x9E3779B1} >> 20 & mask_) * kLine; }

    size_t mask_;
    LargeArray<uint8_t> lines_;
    const HistoryTable &table_ = histories();
};

}  // namespace laconic::mixing
