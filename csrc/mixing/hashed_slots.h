// Bit histories of hashed contexts: a slot of 16 bytes holds a check and the 15 histories of one nibble; four slots share a cache
// line, and a context is looked up once a nibble (the layout of lpaq, M. Mahoney 2007).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "mixing/history.h"

namespace laconic::mixing {

class HashedSlots {
public:
    // 2^bits slots. The memory is zero and is committed by the system as it is touched, in huge pages where it has them.
    explicit HashedSlots(unsigned bits) : mask_((size_t{1} << bits) - 1), memory_(std::calloc(size_ + kHuge, 1)) {
        if (memory_ == nullptr) throw std::bad_alloc();
        const auto address = reinterpret_cast<uintptr_t>(memory_.get());
        slots_ = reinterpret_cast<uint8_t *>((address + kHuge - 1) & ~(kHuge - 1));
#if defined(__linux__)
        if (size_ >= 4 * kHuge) madvise(slots_, size_, MADV_HUGEPAGE);
#endif
    }

    void prefetch(uint32_t hash) const { __builtin_prefetch(slots_ + line(hash)); }

    // The 15 histories for `hash` (index 1 .. 15 of the returned pointer by the nibble's bits so far, starting at 1). A new
    // context takes the place of the one in its line whose first history says least.
    uint8_t *find(uint32_t hash) {
        uint8_t *const base = slots_ + line(hash);
        const uint8_t check = static_cast<uint8_t>(hash >> 24 | 1);
        uint8_t *poorest = nullptr;
        int least = 1 << 30;
        for (size_t way = 0; way < 4; ++way) {
            uint8_t *const slot = base + 16 * ((way + (hash >> 22)) & 3);
            if (slot[0] == check) return slot;
            if (slot[0] == 0) {
                slot[0] = check;
                return slot;
            }
            const int worth = table_.n0[slot[1]] + table_.n1[slot[1]];
            if (worth < least) least = worth, poorest = slot;
        }
        for (size_t i = 1; i < 16; ++i) poorest[i] = 0;
        poorest[0] = check;
        return poorest;
    }

private:
    size_t line(uint32_t hash) const { return ((hash * size_t{0x9E3779B1}) >> 7 & mask_ & ~size_t{3}) * 16; }

    struct Free {
        void operator()(void *p) const { std::free(p); }
    };
    static constexpr uintptr_t kHuge = uintptr_t{1} << 21;
    size_t mask_, size_ = (mask_ + 1) * 16;
    std::unique_ptr<void, Free> memory_;
    uint8_t *slots_ = nullptr;
    const HistoryTable &table_ = histories();
};

}  // namespace laconic::mixing
