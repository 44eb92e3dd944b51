// One byte symbol an element, with or without a context for each: how the checkpoint kernels hand them to the entropy core.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace laconic::checkpoint {

// Appends u8 form (0 a block, 1 tables fitted to the contexts), u32 size, and the coded symbols. `contexts` may be null.
void put_symbols(const uint8_t *symbols, const uint16_t *contexts, size_t n, std::vector<uint8_t> &out);

// Reads what put_symbols wrote and returns the position after it; CorruptData if data[0, end) is not that.
const uint8_t *get_symbols(const uint8_t *data, const uint8_t *end, const uint16_t *contexts, uint8_t *symbols, size_t n);

}  // namespace laconic::checkpoint
