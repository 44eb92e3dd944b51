#include "entropy/symbol_set.h"

#include "entropy/cpu.h"

namespace laconic::entropy {

size_t find_member(const SymbolSet &set, const uint8_t *symbols, size_t from, size_t n) {
#if defined(LACONIC_X86)
    if (active_isa() >= Isa::avx2) from = avx2::find_member(set, symbols, from, n);
#endif
    while (from < n && !set.contains(symbols[from])) ++from;
    return from;
}

}  // namespace laconic::entropy
