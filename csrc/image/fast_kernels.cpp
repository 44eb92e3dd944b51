#include "image/fast_kernels.h"

#include <algorithm>
#include <type_traits>

#include "entropy/cpu.h"
#include "image/fast_kernels_impl.h"

namespace laconic::image {

template <typename Sample>
const RowKernels<Sample> &row_kernels() {
#if defined(LACONIC_X86)
    constexpr bool narrow = std::is_same_v<Sample, uint8_t>;
    if (active_isa() == Isa::avx512) {
        if constexpr (narrow)
            return kRowAvx512_8;
        else
            return kRowAvx512_16;
    }
    if (active_isa() == Isa::avx2) {
        if constexpr (narrow)
            return kRowAvx2_8;
        else
            return kRowAvx2_16;
    }
#endif
    return kRows<Sample>;
}
template const RowKernels<uint8_t> &row_kernels();
template const RowKernels<uint16_t> &row_kernels();

const ContextKernels &context_kernels() {
#if defined(LACONIC_X86)
    if (active_isa() == Isa::avx512) return kContextAvx512;
    if (active_isa() == Isa::avx2) return kContextAvx2;
#endif
    return kContextRows;
}

namespace {

// Each sample waits for the one before it; several planes at once fill the time.
template <typename Sample, size_t Planes>
void predict_back_planes(Sample *const *rows, const Sample *const *norths, const Sample *const *codes, size_t n) {
    int w[Planes], nw[Planes];
    for (size_t p = 0; p < Planes; ++p) {
        w[p] = rows[p][-1];
        nw[p] = norths[p][-1];
    }
    for (size_t x = 0; x < n; ++x)
        for (size_t p = 0; p < Planes; ++p) {
            const int above = norths[p][x], code = codes[p][x];
            const int plane = w[p] + above - nw[p];
            const int prediction = std::max(std::min(plane, std::max(w[p], above)), std::min(w[p], above));
            w[p] = static_cast<Sample>(prediction + ((code >> 1) ^ -(code & 1)));
            nw[p] = above;
            rows[p][x] = static_cast<Sample>(w[p]);
        }
}

}  // namespace

template <typename Sample>
void predict_back(Sample *const *rows, const Sample *const *norths, const Sample *const *codes, size_t planes, size_t n) {
    while (planes >= 3) {
        predict_back_planes<Sample, 3>(rows, norths, codes, n);
        rows += 3, norths += 3, codes += 3, planes -= 3;
    }
    if (planes == 2) predict_back_planes<Sample, 2>(rows, norths, codes, n);
    if (planes == 1) predict_back_planes<Sample, 1>(rows, norths, codes, n);
}
template void predict_back(uint8_t *const *, const uint8_t *const *, const uint8_t *const *, size_t, size_t);
template void predict_back(uint16_t *const *, const uint16_t *const *, const uint16_t *const *, size_t, size_t);

}  // namespace laconic::image
