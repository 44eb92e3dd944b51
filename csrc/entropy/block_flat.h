// Blocks of every form but runs, and the choice between them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "entropy/block.h"
#include "entropy/histogram.h"

namespace laconic::entropy {

size_t encode_raw(const uint8_t *symbols, size_t n, uint8_t *out);

// counts: of these symbols.
size_t encode_flat(const uint8_t *symbols, size_t n, const ByteCounts &counts, uint8_t *out, const BlockOptions &options);

// Profile A from a sample of the symbols, where speed is asked for: counting them all would take as long as coding them. 0 when
// the sample speaks for another form, or does not stand for the whole.
size_t encode_sampled(const uint8_t *symbols, size_t n, uint8_t *out, const BlockOptions &options);

// Tables of their own for parts whose statistics differ. 0 when another form is better.
size_t encode_segments(const uint8_t *symbols, size_t n, uint8_t *out, const BlockOptions &options);

void decode_flat(const uint8_t *data, size_t size, uint8_t *symbols, size_t n);

}  // namespace laconic::entropy
