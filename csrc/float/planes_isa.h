// The per-ISA entry points behind planes.h and joint.h.
#pragma once

#include "float/joint.h"
#include "float/planes.h"

namespace laconic::floats {

#if defined(LACONIC_X86)
void split_planes_avx2(const uint8_t *raw, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *planes);
void join_planes_avx2(const uint8_t *const *planes, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *raw);
void split_planes_avx512(const uint8_t *raw, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *planes);
void join_planes_avx512(const uint8_t *const *planes, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *raw);

bool split_joint_avx2(const uint8_t *raw, size_t n, const JointFormat &format, const JointParts<uint8_t> &parts);
void join_joint_avx2(const JointParts<const uint8_t> &parts, size_t n, const JointFormat &format, uint8_t *raw);
void pack_low_avx2(const uint8_t *low, size_t n, unsigned top, uint8_t *packed);
void unpack_low_avx2(const uint8_t *packed, const uint8_t *end, size_t n, unsigned top, uint8_t *low);

bool split_joint_avx512(const uint8_t *raw, size_t n, const JointFormat &format, const JointParts<uint8_t> &parts);
void join_joint_avx512(const JointParts<const uint8_t> &parts, size_t n, const JointFormat &format, uint8_t *raw);
void pack_low_avx512(const uint8_t *low, size_t n, unsigned top, uint8_t *packed);
void unpack_low_avx512(const uint8_t *packed, const uint8_t *end, size_t n, unsigned top, uint8_t *low);
#endif

}  // namespace laconic::floats
