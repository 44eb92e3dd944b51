// Where decoded elements go on their way out: hashed, and written past the caches, while they are in the first-level cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "hash/xxh3.h"

namespace laconic::floats {

class Delivery {
public:
    // `past_caches`: what is written will not be read before much else is; lines of it are then not read from memory to be
    // overwritten.
    Delivery(std::span<hash::Xxh3 *const> hashes, bool past_caches) : hashes_(hashes), past_caches_(past_caches) {}

    static constexpr size_t kStep = size_t{1} << 14;  // bytes at a time

    // Lets fill(memory) make the next `size` bytes, at most kStep, which belong to `place`.
    template <class Fill>
    void step(uint8_t *place, size_t size, Fill &&fill) {
        uint8_t *const memory = past_caches_ ? step_ : place;
        fill(memory);
        deliver(memory, place, size);
    }

    // What was not delivered by steps: the end of raw[0, size), in place.
    void rest(const uint8_t *raw, size_t size);

private:
    void deliver(const uint8_t *memory, uint8_t *place, size_t size);

    std::span<hash::Xxh3 *const> hashes_;
    size_t delivered_ = 0;
    bool past_caches_;
    alignas(64) uint8_t step_[kStep];
};

}  // namespace laconic::floats
