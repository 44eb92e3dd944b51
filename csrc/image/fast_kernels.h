// The loops over a row of level `fast`, one set for each instruction set. All do the same integer arithmetic.
#pragma once

#include <cstddef>
#include <cstdint>

namespace laconic::image {

// Reversible colour transforms of three planes, modulo 2^16 or 2^8. Differences are stored with half the range added, so that
// small ones lie in the middle and do not wrap.
enum class Transform : uint8_t {
    none = 0,
    green = 1,    // G, R - G, B - G
    average = 2,  // G, R - G, B - ((R + G) >> 1)
    ycocg = 3,    // YCoCg-R (H. Malvar, G. Sullivan, 2003)
};
constexpr unsigned kTransforms = 4;

// Sample: uint8_t or uint16_t (planes of more than 8 bits). Rows have kMargin readable samples before and after.
constexpr size_t kMargin = 32;

// Rows that are restored together.
template <typename Sample>
constexpr size_t kGroup = 16 / sizeof(Sample);

template <typename Sample>
struct RowKernels {
    void (*transform)(Transform t, const uint16_t *const *rgb, size_t n, Sample *const *out);
    void (*untransform)(Transform t, const Sample *const *in, size_t n, uint16_t *const *rgb);
    // Zigzag codes of the residuals, and their sum of magnitudes.
    uint64_t (*residuals)(const Sample *row, const Sample *north, size_t n, Sample *codes);
    // Makes samples of the zigzag codes of kGroup rows, in place; rows are `pitch` apart, and the one before the first holds
    // samples.
    void (*restore)(Sample *rows, size_t pitch, size_t n);
};

struct ContextKernels {
    // Contexts from the magnitudes of the row above (n1), the one above that (n2), and unless nullptr the same row of the plane
    // before (q).
    void (*contexts)(const uint8_t *n1, const uint8_t *n2, const uint8_t *q, size_t n, bool wide, uint8_t *contexts);
    // Magnitudes from zigzag codes.
    void (*magnitudes)(const uint8_t *codes, size_t n, uint8_t *magnitudes);
};

constexpr unsigned kAlone = 10, kLevels = 4;                // of contexts without and with a plane before
constexpr unsigned kContexts = kAlone + kLevels * kLevels;  // 26
constexpr unsigned kPadContext = kContexts;

template <typename Sample>
const RowKernels<Sample> &row_kernels();
const ContextKernels &context_kernels();

#if defined(LACONIC_X86)
extern const RowKernels<uint8_t> kRowAvx2_8, kRowAvx512_8;
extern const RowKernels<uint16_t> kRowAvx2_16, kRowAvx512_16;
extern const ContextKernels kContextAvx2, kContextAvx512;
#endif

}  // namespace laconic::image
