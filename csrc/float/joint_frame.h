// The payload of a `joint` frame of the weights codec (method 3): all elements of a frame in one piece, the parts that carry
// information as entropy blocks that cut themselves into segments, noise as it is. codecs/weights/FORMAT.md specifies every byte.
#pragma once

#include <cstddef>
#include <cstdint>

#include "float/delivery.h"
#include "float/planes.h"
#include "float/weights_frame.h"

namespace laconic::floats {

// Bytes that encode_joint_frame may write while it works.
size_t joint_frame_bound(size_t raw_size, const ElementFormat &format);

struct JointFrame {
    size_t size;  // of the payload
    bool noise;   // what is below the joint symbols has no structure: a few values, or one that dominates, can't be there
};
JointFrame encode_joint_frame(const uint8_t *raw, size_t raw_size, const ElementFormat &format, bool prefer_speed, uint8_t *out);

// Fills raw[0, raw_size); CorruptData unless data[0, size) is exactly such a payload. `delivery` may get the elements in steps,
// but not what it would take as rest.
void decode_joint_frame(const uint8_t *data, size_t size, const ElementFormat &format, uint8_t *raw, size_t raw_size,
                        Delivery *delivery = nullptr);

// Forms and coded sizes of a frame's parts in the order in which they are stored; returns how many there are.
size_t inspect_joint_frame(const uint8_t *data, size_t size, const ElementFormat &format, size_t raw_size,
                           PlaneReport parts[kMaxWidth]);

}  // namespace laconic::floats
