#include "float/planes.h"

#include "entropy/cpu.h"
#include "float/planes_impl.h"
#include "float/planes_isa.h"

namespace laconic::floats {

void split_planes(const uint8_t *raw, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *planes) {
#if defined(LACONIC_X86)
    if (active_isa() == Isa::avx512) return split_planes_avx512(raw, base, n, format, planes);
    if (active_isa() == Isa::avx2) return split_planes_avx2(raw, base, n, format, planes);
#endif
    split_here(raw, base, n, format, planes);
}

void join_planes(const uint8_t *const planes[kMaxWidth], const uint8_t *base, size_t n, const ElementFormat &format,
                 uint8_t *raw) {
#if defined(LACONIC_X86)
    if (active_isa() == Isa::avx512) return join_planes_avx512(planes, base, n, format, raw);
    if (active_isa() == Isa::avx2) return join_planes_avx2(planes, base, n, format, raw);
#endif
    join_here(planes, base, n, format, raw);
}

}  // namespace laconic::floats
