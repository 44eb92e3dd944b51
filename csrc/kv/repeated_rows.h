// Rows of a segment that are equal to earlier rows: padding, and the values of a first layer, which depend on the token alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "entropy/byte_io.h"

namespace laconic::kv {

// first[i]: the number of row i among the distinct rows, which are numbered as they appear.
struct DistinctRows {
    size_t count = 0;
    std::vector<uint32_t> number;

    DistinctRows(const uint8_t *raw, size_t rows, size_t row_bytes);
};

// For each row 0 if it is new, else 1 + how many distinct rows appeared after the one that it repeats: varints, as an entropy
// block.
void put_rows(std::vector<uint8_t> &out, const DistinctRows &rows);

// The numbers of `rows` rows, each of an earlier row or the next new one.
DistinctRows get_rows(entropy::ByteReader &in, size_t rows);

}  // namespace laconic::kv
