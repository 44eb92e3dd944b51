#include "memory/huge_pages.h"

#if defined(__linux__)
#include <sys/mman.h>

#include <cstdint>
#endif

namespace laconic {

void ask_for_huge_pages([[maybe_unused]] void *memory, [[maybe_unused]] size_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (size < kHugePagesFrom) return;
    constexpr uintptr_t kPage = 4096;  // of the address: no system has smaller ones, and others refuse, which is fine
    const uintptr_t first = (reinterpret_cast<uintptr_t>(memory) + kPage - 1) / kPage * kPage;
    madvise(reinterpret_cast<void *>(first), size - (first - reinterpret_cast<uintptr_t>(memory)), MADV_HUGEPAGE);
#endif
}

}  // namespace laconic
