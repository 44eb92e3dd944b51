#include "entropy/location_scale.h"

#include <algorithm>
#include <bit>

#include "entropy/cpu.h"
#include "entropy/location_scale_kernel.h"

namespace laconic {

namespace location_scale {

const Kernels &scalar_kernels() { return Loops<Lanes1>::kernels; }

const Kernels &kernels() {
#if defined(LACONIC_X86)
    switch (active_isa()) {
        case Isa::avx512:
            return avx512_kernels();
        case Isa::avx2:
            if (has_fma()) return avx2_kernels();
            break;
        case Isa::scalar:
            break;
    }
#endif
    return scalar_kernels();
}

template <class Float>
Quantised quantise(const Parameters<Float> &p, std::size_t n, std::int64_t *out, std::size_t *bad) {
    bool good;
    if constexpr (sizeof(Float) == 4)
        good = kernels().quantise_f32(p, n, out);
    else
        good = kernels().quantise_f64(p, n, out);
    for (std::size_t j = 0; !good; ++j) {
        const double mean = p.means[j * p.mean_stride], scale = p.scales[j * p.scale_stride];
        *bad = j;
        if (!(mean >= -4294967296.0 && mean <= 4294967296.0)) return Quantised::bad_mean;
        if (!(scale > 0 && scale <= 1.7976931348623157e308)) return Quantised::bad_scale;
    }
    return Quantised::ok;
}

template Quantised quantise(const Parameters<float> &, std::size_t, std::int64_t *, std::size_t *);
template Quantised quantise(const Parameters<double> &, std::size_t, std::int64_t *, std::size_t *);

template <class Float>
bool quantise_weights(const Float *probabilities, int components, std::size_t rows, std::uint32_t *out, std::size_t *bad) {
    const auto weights = [](const Kernels &set) {
        if constexpr (sizeof(Float) == 4)
            return set.weights_f32;
        else
            return set.weights_f64;
    };
    if (weights(kernels())(probabilities, components, rows, out)) return true;
    const auto cells = static_cast<std::size_t>(components);
    *bad = 0;
    while (*bad + 1 < rows && weights(scalar_kernels())(probabilities + *bad * cells, components, 1, out)) ++*bad;
    return false;
}

template bool quantise_weights(const float *, int, std::size_t, std::uint32_t *, std::size_t *);
template bool quantise_weights(const double *, int, std::size_t, std::uint32_t *, std::size_t *);

}  // namespace location_scale

using location_scale::Mixed;
using location_scale::Single;

bool LocationScaleModel::intervals(std::size_t first, std::size_t n, const std::int64_t *symbols, Interval *out) const {
    return location_scale::kernels().intervals(parameters_ + first * stride(), stride(), n, symbols, out);
}

bool LocationScaleModel::locate(std::size_t first, std::size_t n, const std::uint32_t *slots, std::int64_t *symbols,
                                Interval *out) const {
    return location_scale::kernels().locate(parameters_ + first * stride(), stride(), n, slots, symbols, out);
}

std::uint64_t LocationScaleModel::escape(std::size_t i, std::int64_t symbol) const {
    const Single<Lanes1> d(Lanes1::set(parameters_[i * stride()]));
    return fold_outside(d.low.v, d.high.v, symbol);
}

std::int64_t LocationScaleModel::unescape(std::size_t i, std::uint64_t value) const {
    const Single<Lanes1> d(Lanes1::set(parameters_[i * stride()]));
    return unfold_outside(d.low.v, d.high.v, value);
}

bool MixtureModel::intervals(std::size_t first, std::size_t n, const std::int64_t *symbols, Interval *out) const {
    const std::size_t row = first * stride();
    return location_scale::kernels().mixture_intervals(parameters_ + row, weights_ + row, stride(), components_, n, symbols, out);
}

bool MixtureModel::locate(std::size_t first, std::size_t n, const std::uint32_t *slots, std::int64_t *symbols,
                          Interval *out) const {
    const std::size_t row = first * stride();
    return location_scale::kernels().mixture_locate(parameters_ + row, weights_ + row, stride(), components_, n, slots, symbols,
                                                    out);
}

std::uint64_t MixtureModel::escape(std::size_t i, std::int64_t symbol) const {
    const Mixed<Lanes1> d(location_scale::PackedRows{parameters_, weights_, stride(), components_}.from(i));
    return fold_outside(d.low.v, d.high.v, symbol);
}

std::int64_t MixtureModel::unescape(std::size_t i, std::uint64_t value) const {
    const Mixed<Lanes1> d(location_scale::PackedRows{parameters_, weights_, stride(), components_}.from(i));
    return unfold_outside(d.low.v, d.high.v, value);
}

namespace {

template <class Float>
const location_scale::GaussianKernels<Float> &gaussian_kernels() {
    if constexpr (sizeof(Float) == 4)
        return location_scale::kernels().gaussians_f32;
    else
        return location_scale::kernels().gaussians_f64;
}

}  // namespace

template <class Float>
location_scale::GaussianRows<Float> GaussianMixtureModel<Float>::from(std::size_t i) const {
    return location_scale::FloatRows<Float>{rows_}.from(i);
}

// Says what is wrong with the first of rows first .. first + n - 1 that is refused.
template <class Float>
void GaussianMixtureModel<Float>::refuse(std::size_t first, std::size_t n) const {
    using namespace location_scale;
    const auto cells = static_cast<std::size_t>(rows_.components);
    const std::uint8_t family = 0;
    for (std::size_t i = first; i < first + n; ++i) {
        const GaussianRows<Float> row = from(i);
        std::int64_t packed[kMaxComponents];
        std::uint32_t weights[kMaxComponents];
        std::size_t bad = 0;
        const std::string where = " at position " + std::to_string(i);
        switch (quantise(Parameters<Float>{row.means, 1, row.scales, 1, &family, 0}, cells, packed, &bad)) {
            case Quantised::bad_mean:
                throw std::invalid_argument("mean " + std::to_string(row.means[bad]) + where +
                                            " is not a number in -2^32 .. 2^32");
            case Quantised::bad_scale:
                throw std::invalid_argument("scale " + std::to_string(row.scales[bad]) + where +
                                            " is not a finite number above 0");
            case Quantised::ok:
                break;
        }
        if (!quantise_weights(row.weights, rows_.components, 1, weights, &bad))
            throw std::invalid_argument("the weights" + where + " are not probabilities that sum to 1");
    }
    throw std::invalid_argument("the arrays of a model were changed while it was used");
}

template <class Float>
bool GaussianMixtureModel<Float>::intervals(std::size_t first, std::size_t n, const std::int64_t *symbols, Interval *out) const {
    bool bad = false;
    const bool escapes = gaussian_kernels<Float>().intervals(from(first), n, symbols, out, bad);
    if (bad) refuse(first, n);
    return escapes;
}

template <class Float>
bool GaussianMixtureModel<Float>::locate(std::size_t first, std::size_t n, const std::uint32_t *slots, std::int64_t *symbols,
                                         Interval *out) const {
    bool bad = false;
    const bool escapes = gaussian_kernels<Float>().locate(from(first), n, slots, symbols, out, bad);
    if (bad) refuse(first, n);
    return escapes;
}

template <class Float>
std::uint64_t GaussianMixtureModel<Float>::escape(std::size_t i, std::int64_t symbol) const {
    const Mixed<Lanes1> d(location_scale::FloatRows<Float>{from(i)});
    return fold_outside(d.low.v, d.high.v, symbol);
}

template <class Float>
std::int64_t GaussianMixtureModel<Float>::unescape(std::size_t i, std::uint64_t value) const {
    const Mixed<Lanes1> d(location_scale::FloatRows<Float>{from(i)});
    return unfold_outside(d.low.v, d.high.v, value);
}

template class GaussianMixtureModel<float>;
template class GaussianMixtureModel<double>;

}  // namespace laconic
