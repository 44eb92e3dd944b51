// The per-ISA entry points behind planes.h.
#pragma once

#include "float/planes.h"

namespace laconic::floats {

#if defined(LACONIC_X86)
void split_planes_avx2(const uint8_t *raw, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *planes);
void join_planes_avx2(const uint8_t *const *planes, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *raw);
void split_planes_avx512(const uint8_t *raw, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *planes);
void join_planes_avx512(const uint8_t *const *planes, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *raw);
#endif

}  // namespace laconic::floats
