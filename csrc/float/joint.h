// bf16 and fp32 as one joint symbol of exponent and top mantissa bits, and what is left: the transform of the weights codec.
//
// Weights fall off smoothly within a binade, so the top mantissa bits tell something about each other and the exponent; all bits
// below are noise. With y the element rotated left by one (exponent in the top byte, then mantissa, then sign) and t = 1 or 2 top
// bits:
//
//     index  = 0 if the exponent is 0, else exponent - lowest + 1        must lie below 256 >> t
//     joint  = index << t | top t bits of the mantissa
//     low    = the other 8 - t bits of y's second byte, eight elements packed into 8 - t bytes, the first one lowest
//
// and y's other bytes (of fp32: two) are planes as in planes.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "float/planes.h"

namespace laconic::floats {

struct JointFormat {
    ElementFormat element;  // width 2 or 4, rotate 1, little-endian
    unsigned top = 1;       // t
    uint8_t lowest = 1;     // the smallest exponent above 0 that fits; not above last_lowest(top)
};

inline unsigned most_index(unsigned top) { return (256u >> top) - 1; }
inline unsigned last_lowest(unsigned top) {
    return 256 - most_index(top);
}  // so that the largest exponent that fits is at most 255

// Where the parts of elements go, or come from: planes[0] and [1] are the third and fourth byte of fp32.
template <class Byte>
struct JointParts {
    Byte *joint, *low, *planes[2];
    // If not null, low parts lie here packed, and `low` is not looked at. Up to `end` a vector may be read or written.
    Byte *packed = nullptr, *end = nullptr;

    // Of elements from a multiple of eight on.
    JointParts from(size_t i, unsigned top) const {
        const auto later = [&](Byte *part, size_t by) { return part == nullptr ? nullptr : part + by; };
        return {joint + i, later(low, i), {later(planes[0], i), later(planes[1], i)}, later(packed, i / 8 * (8 - top)), end};
    }
};

// Bytes of n packed low parts.
inline size_t packed_bytes(size_t n, unsigned top) { return (n + 7) / 8 * (8 - top); }

// False if an exponent does not fit; the parts are then worth nothing.
bool split_joint(const uint8_t *raw, size_t n, const JointFormat &format, const JointParts<uint8_t> &parts);

// The inverse. Any bytes are taken; indexes that no exponent has wrap.
void join_joint(const JointParts<const uint8_t> &parts, size_t n, const JointFormat &format, uint8_t *raw);

// n low parts of 8 - top bits each from and to packed_bytes(n, top) bytes. Unpacking writes whole groups of eight: up to 7 bytes
// more.
void pack_low(const uint8_t *low, size_t n, unsigned top, uint8_t *packed);
void unpack_low(const uint8_t *packed, const uint8_t *end, size_t n, unsigned top, uint8_t *low);

}  // namespace laconic::floats
