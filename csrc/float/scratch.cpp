#include "float/scratch.h"

#include <memory>

namespace laconic::floats {

uint8_t *scratch(size_t size) {
    thread_local std::unique_ptr<uint8_t[]> memory;
    thread_local size_t held = 0;
    if (held < size) {
        memory.reset();
        held = 0;
        memory.reset(new uint8_t[size + 64]);
        held = size;
    }
    return memory.get() + (64 - reinterpret_cast<uintptr_t>(memory.get()) % 64) % 64;
}

}  // namespace laconic::floats
