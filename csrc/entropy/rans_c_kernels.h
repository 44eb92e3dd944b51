// The inner steps of profile C's blocks, one set for each instruction set; all give the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "entropy/interval.h"

namespace laconic::rans_c {

struct Kernels {
    // Pushes intervals n-1 .. 0 (n a multiple of `lanes`; interval j on lane j mod lanes); words go below `out`, which is
    // returned moved down.
    std::uint32_t *(*push_rows)(std::uint64_t *states, int lanes, const Interval *intervals, std::size_t n, std::uint32_t *out);
    // Finishes one full row: states step to the next symbol and take words from `words`, which is returned moved up.
    // At least lanes + 8 words must be readable.
    const std::uint32_t *(*pop_row)(std::uint64_t *states, int lanes, const Interval *intervals, const std::uint32_t *words);
    // slots[l] = states[l] mod 2^24
    void (*slots)(const std::uint64_t *states, int lanes, std::uint32_t *slots);
};

const Kernels &scalar_kernels();
#if defined(LACONIC_X86)
const Kernels &avx512_kernels();
#endif
const Kernels &kernels();  // for active_isa()

}  // namespace laconic::rans_c
