#if defined(LACONIC_X86)

#include "float/planes_impl.h"
#include "float/planes_isa.h"

namespace laconic::floats {

void split_planes_avx512(const uint8_t *raw, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *planes) {
    split_here(raw, base, n, format, planes);
}

void join_planes_avx512(const uint8_t *const *planes, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *raw) {
    join_here(planes, base, n, format, raw);
}

}  // namespace laconic::floats

#endif
