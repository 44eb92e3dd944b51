// Memory of a thread for work on one frame, kept from frame to frame: fresh memory costs more than most of what is done in it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace laconic::floats {

// At least `size` bytes, not cleared, valid until this thread asks again; 64-byte aligned.
uint8_t *scratch(size_t size);

// Pieces of it, each aligned.
class Scratch {
public:
    explicit Scratch(size_t size) : next_(scratch(size + kSlack)) {}

    template <class T = uint8_t>
    T *take(size_t count) {
        T *const piece = reinterpret_cast<T *>(next_);
        next_ += (count * sizeof(T) + 63) / 64 * 64;
        return piece;
    }

private:
    static constexpr size_t kSlack = 16 * 64;  // of up to 16 pieces
    uint8_t *next_;
};

}  // namespace laconic::floats
