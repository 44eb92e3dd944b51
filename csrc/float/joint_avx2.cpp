#if defined(LACONIC_X86)

#include "float/joint_impl.h"
#include "float/planes_isa.h"

namespace laconic::floats {

bool split_joint_avx2(const uint8_t *raw, size_t n, const JointFormat &format, const JointParts<uint8_t> &parts) {
    return split_joint_here(raw, n, format, parts);
}

void join_joint_avx2(const JointParts<const uint8_t> &parts, size_t n, const JointFormat &format, uint8_t *raw) {
    join_joint_here(parts, n, format, raw);
}

void pack_low_avx2(const uint8_t *low, size_t n, unsigned top, uint8_t *packed) { pack_here(low, n, top, packed); }

void unpack_low_avx2(const uint8_t *packed, const uint8_t * /*end*/, size_t n, unsigned top, uint8_t *low) {
    unpack_here(packed, n, top, low);
}

}  // namespace laconic::floats

#endif
