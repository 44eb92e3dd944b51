// The loops over one row of a quantised segment, compiled for each instruction set. All give the same bits: sums are taken in the
// same order, and nothing is contracted to fused operations.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kv/elements.h"

namespace laconic::kv {

// What a quantiser knows (quantiser.h), as the loops take it.
struct RowShape {
    size_t channels, block;
    const float *mean, *step;
    const float *basis;       // by component and channel of its block
    const float *transposed;  // by channel and component of its block
};

// A row's pairs: see rotary.h.
struct RowTurn {
    size_t head, pairs;
    bool neighbours;
    const float *cosines, *sines;
};

struct RowKernels {
    void (*load)(const uint8_t *raw, size_t n, Element element, float *row);
    void (*store)(const float *row, size_t n, Element element, uint8_t *raw);
    void (*turn)(const RowTurn &turn, bool forward, float *row, size_t n);
    // Indices of a row's components; false if one is 2^24 or more, or no number. room: n values.
    bool (*quantise)(const RowShape &shape, const float *row, float *room, int32_t *indices);
    void (*reconstruct)(const RowShape &shape, const int32_t *indices, float *row);
};

const RowKernels &row_kernels();  // for active_isa()

extern const RowKernels kRowKernelsScalar;
#if defined(LACONIC_X86)
extern const RowKernels kRowKernelsAvx2, kRowKernelsAvx512;
#endif

}  // namespace laconic::kv
