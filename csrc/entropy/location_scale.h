// Distributions with a location and a scale - Gaussian, Laplace, logistic, generalised Gaussian - over integer bins, alone or
// mixed, as exact integer functions. docs/entropy-models.md derives what is said here.
//
// A symbol's distribution is one 64-bit integer (pack): the mean in 1/256 of a bin, the family, and the index of the scale on the
// grid 2^((k - 64) / 16), 0 <= k < 256. From there on all is integer arithmetic on generated tables, so no two machines can
// disagree:
//
//     window     bins m - half .. m + half around the nearest integer m of the mean; outside is an escape. half depends on family
//     and k
//                such that the tails outside weigh 2^-16 (at most 32767 bins)
//     z          = |256 x - 128 - mean| * inverse_scale, in 2^-30, of the lower edge of bin x
//     Q(z)       = upper tail, in 2^-32, linear between knots; knots are 64 an octave of z + 2^-5
//     C(x)       = (x - low) + floor(R F), R = 2^24 - 256 - bins, F = Q below the mean and 1 - Q above: every bin has at least
//     one slot mixtures   F = sum of w_j F_j in 2^-31, w_j in 1/65536; the window is the hull of the windows
#pragma once

#include <cstddef>
#include <cstdint>

#include "entropy/model.h"

namespace laconic {

namespace location_scale {

inline constexpr int kFamilies = 16;  // Gaussian, Laplace, logistic, generalised Gaussian of shape 2^((j - 4) / 4), j = 0 .. 12
inline constexpr int kShapes = 13;
inline constexpr int kFirstShape = 3;
inline constexpr int kScaleCount = 256;
inline constexpr int kScaleSteps = 16;
inline constexpr int kScaleOrigin = 64;
inline constexpr int kMeanBits = 8;
inline constexpr int kWeightBits = 16;
inline constexpr int kMaxComponents = 16;
inline constexpr double kWeightTolerance = 1.0 / 1024;  // of a row's sum
inline constexpr std::int64_t kMaxHalfWindow = 32767;

inline constexpr int kCellBits = 6;
inline constexpr int kTailCells = 11 << kCellBits;
inline constexpr int kTailKnots = kTailCells + 1;
inline constexpr int kInverseCellBits = 5;
inline constexpr int kInverseLow = 14;
inline constexpr int kInverseKnots = ((31 - kInverseLow) << kInverseCellBits) + 1;

extern const std::uint32_t kTails[kFamilies * kTailKnots];       // Q at the knots, 2^-32
extern const std::uint32_t kInverse[kFamilies * kInverseKnots];  // z (2^-24) at knots of Q: where a search starts
extern const std::uint64_t kScales[kFamilies * kScaleCount];     // 2^22 / scale (27 bits) | half window (15) | 2^10 scale (22)
extern const std::uint64_t kScaleThresholds[17];                 // mantissas at which the scale index steps up
extern const double kShapeFactors[kShapes];                      // standard deviation / alpha
extern const double kShapeThresholds[kShapes - 1];               // where the nearest shape index steps up
extern const std::uint32_t kTablesChecksum;

// mean: 1/256 of a bin. The low 16 bits are the index into kScales.
constexpr std::int64_t pack(std::int64_t mean, int family, int scale) { return mean * 65536 + family * kScaleCount + scale; }

// Arrays to be packed, by position j: means[j * mean_stride] and so on; strides are 0 (all alike) or 1.
template <class Float>
struct Parameters {
    const Float *means;
    std::size_t mean_stride;
    const Float *scales;
    std::size_t scale_stride;
    const std::uint8_t *families;
    std::size_t family_stride;
};

enum class Quantised { ok, bad_mean, bad_scale };

// The nearest points of the grids: mean * 256 to nearest, ties to even, |mean| <= 2^32; scale to the nearest step in the
// logarithm, clamped to the grid; not-a-number, infinities and scales <= 0 are refused, and the position of the first given in
// *bad. IEEE basic operations and integers only.
template <class Float>
Quantised quantise(const Parameters<Float> &parameters, std::size_t n, std::int64_t *out, std::size_t *bad);

// Rows of at most kMaxComponents probabilities that sum to 1 (to 2^-10) to rows of weights that sum to 2^16: partial sums are
// rounded, the last component gets what is left. Returns false and the row if one is not such.
template <class Float>
bool quantise_weights(const Float *probabilities, int components, std::size_t rows, std::uint32_t *out, std::size_t *bad);

// Mixtures of Gaussians as float arrays of `components` to a row; stride: `components`, or 0 if all rows are alike.
template <class Float>
struct GaussianRows {
    const Float *means, *scales, *weights;
    std::size_t stride;
    int components;
};

// The mixtures' intervals and locate, straight from floats: what quantise and quantise_weights give is never in memory. `bad` is
// set where they would refuse something, and the result is then arbitrary.
template <class Float>
struct GaussianKernels {
    bool (*intervals)(const GaussianRows<Float> &rows, std::size_t n, const std::int64_t *symbols, Interval *out, bool &bad);
    bool (*locate)(const GaussianRows<Float> &rows, std::size_t n, const std::uint32_t *slots, std::int64_t *symbols,
                   Interval *out, bool &bad);
};

// One set for each instruction set; all compute the same functions. `stride` is 0 (all symbols alike) or the number of
// components.
struct Kernels {
    bool (*intervals)(const std::int64_t *parameters, std::size_t stride, std::size_t n, const std::int64_t *symbols,
                      Interval *out);
    bool (*locate)(const std::int64_t *parameters, std::size_t stride, std::size_t n, const std::uint32_t *slots,
                   std::int64_t *symbols, Interval *out);
    bool (*mixture_intervals)(const std::int64_t *parameters, const std::uint32_t *weights, std::size_t stride, int components,
                              std::size_t n, const std::int64_t *symbols, Interval *out);
    bool (*mixture_locate)(const std::int64_t *parameters, const std::uint32_t *weights, std::size_t stride, int components,
                           std::size_t n, const std::uint32_t *slots, std::int64_t *symbols, Interval *out);
    GaussianKernels<float> gaussians_f32;
    GaussianKernels<double> gaussians_f64;
    // False if any parameter is refused.
    bool (*quantise_f32)(const Parameters<float> &parameters, std::size_t n, std::int64_t *out);
    bool (*quantise_f64)(const Parameters<double> &parameters, std::size_t n, std::int64_t *out);
    // False if any row is refused.
    bool (*weights_f32)(const float *probabilities, int components, std::size_t rows, std::uint32_t *out);
    bool (*weights_f64)(const double *probabilities, int components, std::size_t rows, std::uint32_t *out);
};

const Kernels &scalar_kernels();
#if defined(LACONIC_X86)
const Kernels &avx2_kernels();
const Kernels &avx512_kernels();
#endif
const Kernels &kernels();  // for active_isa()

}  // namespace location_scale

// One packed distribution for each symbol, or one for all (size kAnyNumber).
class LocationScaleModel : public Model {
public:
    LocationScaleModel(const std::int64_t *parameters, std::size_t size) : parameters_(parameters), size_(size) {}

    std::size_t size() const override { return size_; }
    bool intervals(std::size_t first, std::size_t n, const std::int64_t *symbols, Interval *out) const override;
    bool locate(std::size_t first, std::size_t n, const std::uint32_t *slots, std::int64_t *symbols,
                Interval *out) const override;
    std::uint64_t escape(std::size_t i, std::int64_t symbol) const override;
    std::int64_t unescape(std::size_t i, std::uint64_t value) const override;

private:
    std::size_t stride() const { return size_ == kAnyNumber ? 0 : 1; }

    const std::int64_t *parameters_;
    std::size_t size_;
};

// `components` packed distributions and weights for each symbol (rows), or one row for all (size kAnyNumber). A row's weights sum
// to 2^16; a component of weight 0 does not exist.
class MixtureModel : public Model {
public:
    MixtureModel(const std::int64_t *parameters, const std::uint32_t *weights, int components, std::size_t size)
        : parameters_(parameters), weights_(weights), components_(components), size_(size) {}

    std::size_t size() const override { return size_; }
    bool intervals(std::size_t first, std::size_t n, const std::int64_t *symbols, Interval *out) const override;
    bool locate(std::size_t first, std::size_t n, const std::uint32_t *slots, std::int64_t *symbols,
                Interval *out) const override;
    std::uint64_t escape(std::size_t i, std::int64_t symbol) const override;
    std::int64_t unescape(std::size_t i, std::uint64_t value) const override;

private:
    std::size_t stride() const { return size_ == kAnyNumber ? 0 : static_cast<std::size_t>(components_); }

    const std::int64_t *parameters_;
    const std::uint32_t *weights_;
    int components_;
    std::size_t size_;
};

// Mixtures of Gaussians from float arrays, n rows of `components`, or one row for all (size kAnyNumber): the slots that a
// MixtureModel of the quantised arrays has. The arrays are read where they lie, and checked when they are used.
template <class Float>
class GaussianMixtureModel : public Model {
public:
    GaussianMixtureModel(location_scale::GaussianRows<Float> rows, std::size_t size) : rows_(rows), size_(size) {}

    std::size_t size() const override { return size_; }
    bool intervals(std::size_t first, std::size_t n, const std::int64_t *symbols, Interval *out) const override;
    bool locate(std::size_t first, std::size_t n, const std::uint32_t *slots, std::int64_t *symbols,
                Interval *out) const override;
    std::uint64_t escape(std::size_t i, std::int64_t symbol) const override;
    std::int64_t unescape(std::size_t i, std::uint64_t value) const override;

private:
    location_scale::GaussianRows<Float> from(std::size_t i) const;
    [[noreturn]] void refuse(std::size_t first, std::size_t n) const;

    location_scale::GaussianRows<Float> rows_;
    std::size_t size_;
};

}  // namespace laconic
