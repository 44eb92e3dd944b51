// Records cut into fields: quantised blocks of GGUF (a scale and its quants), structured arrays.
//
// A record is a fixed sequence of fields, each `count` elements of one format. Equal fields of all records of a frame are
// gathered, split into byte planes as tensors are (planes.h), and each plane is coded as entropy blocks: a scale's exponents
// share tables with other scales' exponents and with nothing else. codecs/weights/FORMAT.md, method "fields", specifies every
// byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "float/planes.h"

namespace laconic::floats {

struct Field {
    ElementFormat format;
    uint32_t count = 1;  // elements in a record

    size_t bytes() const { return size_t{count} * format.width; }
};

struct RecordLayout {
    std::vector<Field> fields;
    size_t size = 0;  // bytes of a record
};

constexpr size_t kMaxFields = 64;
constexpr size_t kMaxRecord = size_t{1} << 16;

// For each field: the element format's byte (as the parameters of a plain tensor), then `count` as uvarint. CorruptData for
// others.
RecordLayout parse_layout(const uint8_t *data, size_t size);

// Bytes that encode_fields may write while it works.
size_t fields_bound(size_t raw_size, const RecordLayout &layout);

// Returns the payload's size. `base` is null or has raw_size bytes.
size_t encode_fields(const uint8_t *raw, size_t raw_size, const uint8_t *base, const RecordLayout &layout, bool prefer_speed,
                     uint8_t *out);

// Fills raw[0, raw_size); CorruptData unless data[0, size) is exactly such a payload.
void decode_fields(const uint8_t *data, size_t size, const uint8_t *base, const RecordLayout &layout, uint8_t *raw,
                   size_t raw_size);

// For each field and plane, in order: the form of the first block and the coded bytes.
struct FieldPlaneReport {
    std::string form;
    size_t bytes = 0;
};
std::vector<std::vector<FieldPlaneReport>> inspect_fields(const uint8_t *data, size_t size, const RecordLayout &layout,
                                                          size_t raw_size);

}  // namespace laconic::floats
