// Large pages for large results: a page fault for each 4 KiB takes longer than most of what fills them.
#pragma once

#include <cstddef>

namespace laconic {

constexpr size_t kHugePagesFrom = size_t{1} << 22;  // as numpy's arrays do

// Asks for them where memory[0, size) is large and has not been used yet. A hint: nothing happens where the system has none.
void ask_for_huge_pages(void *memory, size_t size);

}  // namespace laconic
