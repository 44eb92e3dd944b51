// Elements to byte planes and back: the transform of the weights codec.
//
// An element of `width` bytes is rotated left so that its exponent fills the top byte (floats: sign and low exponent bits move to
// the end), then byte k from the top goes to plane k. Exponents of trained weights take 2 to 3 bits of the 8; mantissas are
// noise. With a base, what is split is the zigzag-coded difference of the two elements as ordered integers (equal values give 0).
#pragma once

#include <cstddef>
#include <cstdint>

namespace laconic::floats {

struct ElementFormat {
    unsigned width = 1;       // bytes: 1, 2, 4 or 8
    unsigned rotate = 0;      // bits to the left: 1 for bf16, fp16, fp32; 4 for fp64 (11 exponent bits); 0 for integers and bytes
    bool big_endian = false;  // byte order of the raw elements
};

constexpr size_t kMaxWidth = 8;

// raw[0, n * width) -> planes: plane k lies at planes + k * n. `base` is null or has the size of raw.
void split_planes(const uint8_t *raw, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *planes);

// The inverse; plane k lies at planes[k]. `base` must be what split_planes was given.
void join_planes(const uint8_t *const planes[kMaxWidth], const uint8_t *base, size_t n, const ElementFormat &format,
                 uint8_t *raw);

}  // namespace laconic::floats
