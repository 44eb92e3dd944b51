// The payload of a frame of plain elements: the method that takes the fewest bytes, behind the byte that names it.
// codecs/weights/FORMAT.md specifies every byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "float/delivery.h"
#include "float/planes.h"

namespace laconic::floats {

enum class ElementMethod : uint8_t {
    joint = 3,    // joint_frame.h: what there is to fall back to
    sparse = 5,   // sparse.h: one value dominates
    palette = 6,  // palette.h: few different values
    mixed = 7,    // mixed.h: exponents by context mixing
};

enum class Effort : uint8_t { fast, usual, mixing };

// Bytes that encode_elements may write while it works.
size_t elements_bound(size_t raw_size, const ElementFormat &format);

// Returns the payload's size. `inner`: the elements are what a sparse frame leaves, which is neither sparse nor
// mixed again.
size_t encode_elements(const uint8_t *raw, size_t raw_size, const ElementFormat &format, Effort effort, uint8_t *out,
                       bool inner = false);

// Fills raw[0, raw_size); CorruptData unless data[0, size) is exactly such a payload. `delivery` may get elements in steps.
void decode_elements(const uint8_t *data, size_t size, const ElementFormat &format, uint8_t *raw, size_t raw_size,
                     bool inner = false, Delivery *delivery = nullptr);

// The method's name, and forms and coded sizes of the parts in the order in which they are stored.
struct PartReport {
    std::string form;
    size_t bytes = 0;
};
struct ElementsReport {
    std::string method;
    std::vector<PartReport> parts;
};
ElementsReport inspect_elements(const uint8_t *data, size_t size, const ElementFormat &format, size_t raw_size);

}  // namespace laconic::floats
