// The per-ISA entry points behind planes.h, joint.h and delta.h.
#pragma once

#include "entropy/cpu.h"
#include "float/delta.h"
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

struct DeltaKernels {
    decltype(&floats::differences) differences;
    decltype(&floats::add_differences) add_differences;
    decltype(&floats::base_contexts) base_contexts;
    decltype(&floats::tokens) tokens;
    decltype(&floats::widen) widen;
    decltype(&floats::unite) unite;
    decltype(&floats::map_contexts) map_contexts;
};

#if defined(LACONIC_X86)
extern const DeltaKernels kDeltaAvx2, kDeltaAvx512;
#endif

// In a function of the same name without the ending: the best of these, if there is one for the machine.
#if defined(LACONIC_X86)
#define LACONIC_FLOATS_DISPATCH(name, ...)                              \
    if (active_isa() == Isa::avx512) return name##_avx512(__VA_ARGS__); \
    if (active_isa() == Isa::avx2) return name##_avx2(__VA_ARGS__);
#else
#define LACONIC_FLOATS_DISPATCH(name, ...)
#endif

}  // namespace laconic::floats
