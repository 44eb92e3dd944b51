#include "float/joint.h"

#include "float/joint_impl.h"
#include "float/planes_isa.h"

namespace laconic::floats {

bool split_joint(const uint8_t *raw, size_t n, const JointFormat &format, const JointParts<uint8_t> &parts) {
    LACONIC_FLOATS_DISPATCH(split_joint, raw, n, format, parts)
    return split_joint_here(raw, n, format, parts);
}

void join_joint(const JointParts<const uint8_t> &parts, size_t n, const JointFormat &format, uint8_t *raw) {
    LACONIC_FLOATS_DISPATCH(join_joint, parts, n, format, raw)
    join_joint_here(parts, n, format, raw);
}

void pack_low(const uint8_t *low, size_t n, unsigned top, uint8_t *packed) {
    LACONIC_FLOATS_DISPATCH(pack_low, low, n, top, packed)
    pack_here(low, n, top, packed);
}

void unpack_low(const uint8_t *packed, const uint8_t *end, size_t n, unsigned top, uint8_t *low) {
    LACONIC_FLOATS_DISPATCH(unpack_low, packed, end, n, top, low)
    static_cast<void>(end);
    unpack_here(packed, n, top, low);
}

}  // namespace laconic::floats
