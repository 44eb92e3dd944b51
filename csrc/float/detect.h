// Which numbers a run of bytes may hold, told from statistics alone: files of formats that no adaptor knows.
#pragma once

#include <cstddef>
#include <cstdint>

#include "float/planes.h"

namespace laconic::floats {

struct Detected {
    bool found = false;
    ElementFormat format;
    unsigned phase = 0;  // bytes before the first whole element
};

// Looks at every width, byte order and phase of floats. `found` when planes of that format take clearly less than the bytes in
// one table do and one plane is noise, as mantissas are: text, code and sorted tables have no such plane. Integers alone, so that
// every machine finds the same.
Detected detect_elements(const uint8_t *data, size_t size);

}  // namespace laconic::floats
