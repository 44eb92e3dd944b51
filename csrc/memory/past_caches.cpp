#include "memory/past_caches.h"

#include <algorithm>
#include <cstring>

#if defined(LACONIC_X86)
#include <emmintrin.h>
#endif

namespace laconic {

#if defined(LACONIC_X86)
void copy_past_caches(const uint8_t *from, uint8_t *to, size_t size) {
    constexpr size_t kLine = 64;
    const size_t head = std::min((kLine - reinterpret_cast<uintptr_t>(to) % kLine) % kLine, size);
    std::memcpy(to, from, head);
    size_t i = head;
    for (; i + kLine <= size; i += kLine)
        for (size_t k = 0; k < kLine; k += 16)
            _mm_stream_si128(reinterpret_cast<__m128i *>(to + i + k),
                             _mm_loadu_si128(reinterpret_cast<const __m128i *>(from + i + k)));
    std::memcpy(to + i, from + i, size - i);
}

void finish_copies() { _mm_sfence(); }
#else
void copy_past_caches(const uint8_t *from, uint8_t *to, size_t size) { std::memcpy(to, from, size); }

void finish_copies() {}
#endif

}  // namespace laconic
