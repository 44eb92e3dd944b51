// The integer functions of location_scale.h for V::width symbols at once. Included by one file for each instruction set; the
// scalar lane is the reference. What is not `cdf` below only searches: it may be any guess, the answer is the one bin whose slots
// hold the slot.
#pragma once

#include <bit>

#include "entropy/lanes.h"
#include "entropy/location_scale.h"

namespace laconic::location_scale {
namespace {

constexpr std::int64_t kCoded = kEscapeStart;  // slots that are not the escape's
constexpr std::int64_t kEscapeBits = kEscapeStart | static_cast<std::int64_t>(kEscapeFreq) << 32;  // an Interval's bits
constexpr std::int64_t kHalfBin = 1 << (kMeanBits - 1);
constexpr std::int64_t kMaxDistance = (1 << 25) - 1;  // 1/256 bin: beyond, every tail is that at the end of its table
constexpr std::int64_t kFirstOctave = 1 << 25;        // 2^-5 in z's unit of 2^-30
constexpr std::int64_t kLastZ = (std::int64_t{1} << 36) - 1;
constexpr std::int64_t kLow32 = 0xffffffff;

constexpr std::int64_t cell_of(std::int64_t x, int cell_bits) {
    return std::bit_cast<std::int64_t>(static_cast<double>(x)) >> (52 - cell_bits);
}

// One packed distribution a lane, unpacked.
template <class V>
struct Component {
    V mean;    // 1/256 bin
    V centre;  // nearest bin
    V tails;   // offset of the family's table
    V family;
    V inverse;  // 2^22 / scale
    V half;
    V sigma;  // 2^10 scale

    Component() = default;
    explicit Component(V packed) {
        const V entry = V::look_up(kScales, packed & V::set(kFamilies * kScaleCount - 1));
        mean = packed.template sra<16>();
        centre = (mean + V::set(kHalfBin)).template sra<kMeanBits>();
        family = packed.template shr<8>() & V::set(kFamilies - 1);
        tails = V::multiply(family, V::set(kTailKnots)) - V::set(cell_of(kFirstOctave, kCellBits));
        inverse = entry & V::set((1 << 27) - 1);
        half = entry.template shr<27>() & V::set(kMaxHalfWindow);
        sigma = entry.template shr<42>();
    }
};

// Tables fall linearly between knots at first 2^e (1 + c / cells). `table` is a table's offset in `tables` less cell_of(first).
template <class V, int cell_bits>
struct Cell {
    V bits;  // of the double x >= first > 0
    V pair;  // the knots on both sides

    Cell(const std::uint32_t *tables, V table, V x)
        : bits(x.double_bits()), pair(V::look_up_pair(tables, table + bits.template shr<52 - cell_bits>())) {}

    V fall() const { return pair - pair.template shr<32>(); }  // in the low half
    V value() const {                                          // in the low half
        const V part = bits.template shr<28 - cell_bits>() & V::set((1 << 24) - 1);
        return pair - V::multiply(fall(), part).template shr<24>();
    }
    // 2^-e
    typename V::Real inverse_octave() const {
        return (V::set(std::int64_t{2046} << 52) - (bits & V::set(std::int64_t{2047} << 52))).as_double();
    }
};

// The cell of the upper tail beyond |lower edge of bin x - mean|, and whether the edge is below the mean.
template <class V>
Cell<V, kCellBits> tail_of_edge(const Component<V> &c, V x, typename V::Mask &below) {
    const V edge = x.template shl<kMeanBits>() - V::set(kHalfBin) - c.mean;
    below = V::greater(V::set(0), edge);
    const V distance = V::minimum(edge.magnitude(), V::set(kMaxDistance));
    return {kTails, c.tails, V::minimum(V::multiply(distance, c.inverse) + V::set(kFirstOctave), V::set(kLastZ))};
}

// The z (2^-24) at which the standard distribution of the family reaches the 2^-32 fraction `target` of its mass, and on which
// side.
template <class V>
V standard_quantile(const Component<V> &c, V target, typename V::Mask &upper) {
    upper = V::greater(target, V::set(std::int64_t{1} << 31));
    V q = V::select(upper, V::set(std::int64_t{1} << 32) - target, target);
    q = V::minimum(V::maximum(q, V::set(1 << kInverseLow)), V::set((std::int64_t{1} << 31) - 1));
    const V table = V::multiply(c.family, V::set(kInverseKnots)) - V::set(cell_of(1 << kInverseLow, kInverseCellBits));
    return Cell<V, kInverseCellBits>(kInverse, table, q).value() & V::set(kLow32);
}

// The fraction of the mass (2^-32) at `slot`, if each bin's own slot were spread evenly over the window, half of it below.
template <class V>
V mass_below(V slot, V low, V high, V rest) {
    const V u = V::maximum(slot - (high - low).template shr<1>(), V::set(0));
    return u.template shl<8>() + V::multiply(u, V::set(kTotal) - rest).template shr<16>();
}

template <class V>
struct Single {
    Component<V> part;
    V low, high;
    V rest;  // slots beyond one for each bin

    explicit Single(V packed)
        : part(packed),
          low(part.centre - part.half),
          high(part.centre + part.half),
          rest(V::set(kCoded - 1) - part.half - part.half) {}

    // Slots below bin x, for low <= x <= high + 1.
    V cdf(V x) const {
        typename V::Mask below;
        const V tail = V::multiply(rest, tail_of_edge(part, x, below).value()).template shr<32>();
        const V inner = (x - low) + V::select(below, tail, rest - tail);
        return V::select(V::greater(x, low), V::select(V::greater(x, high), V::set(kCoded), inner), V::set(0));
    }

    V guess(V slot) const {
        typename V::Mask upper;
        const V z = standard_quantile(part, mass_below(slot, low, high, rest), upper);
        const V distance = V::multiply(z, part.sigma).template shr<18>();  // 2^-16 bins
        const V x = part.mean.template shl<8>() + V::select(upper, distance, V::set(0) - distance);
        return (x + V::set(1 << 15)).template sra<16>();
    }
};

template <class V>
struct Mixed {
    int components;
    Component<V> parts[kMaxComponents];
    V weights[kMaxComponents];
    V low, high, rest;
    bool gaussian;  // every component of every lane

    Mixed(const std::int64_t *parameters, const std::uint32_t *row_weights, std::size_t stride, int components_)
        : components(components_) {
        V heaviest = V::set(0), middle = V::set(0), families = V::set(0);
        low = V::set(INT64_MAX);
        high = V::set(INT64_MIN);
        for (int j = 0; j < components; ++j) {
            const Component<V> c = parts[j] = Component<V>(V::gather(parameters + j, stride));
            const V weight = weights[j] = V::gather_u32(row_weights + j, stride);
            const auto exists = V::greater(weight, V::set(0));
            low = V::select(exists, V::minimum(low, c.centre - c.half), low);
            high = V::select(exists, V::maximum(high, c.centre + c.half), high);
            middle = V::select(V::greater(weight, heaviest), c.centre, middle);
            heaviest = V::maximum(heaviest, weight);
            families = families | c.family;
        }
        gaussian = !V::any(V::greater(families, V::set(0)));
        // A hull wider than any window is cut to the widest window around the heaviest component (the first of them).
        const auto wide = V::greater(high - low, V::set(2 * kMaxHalfWindow));
        low = V::select(wide, V::maximum(low, middle - V::set(kMaxHalfWindow)), low);
        high = V::select(wide, V::minimum(high, middle + V::set(kMaxHalfWindow)), high);
        rest = V::set(kCoded - 1) - (high - low);
    }

    V cdf(V x) const {
        V mass = V::set(0);  // 2^-48
        for (int j = 0; j < components; ++j) {
            typename V::Mask below;
            const V tail = V::multiply(weights[j], tail_of_edge(parts[j], x, below).value());
            mass = mass + V::select(below, tail, weights[j].template shl<32>() - tail);
        }
        const V inner = (x - low) + V::multiply(rest, mass.template shr<17>()).template shr<31>();
        return V::select(V::greater(x, low), V::select(V::greater(x, high), V::set(kCoded), inner), V::set(0));
    }

    // From the quantile of the one Gaussian with the mixture's mean and variance by Newton's method in doubles on approximate
    // Gaussians; for other families, a step with the true density follows.
    V guess(V slot) const {
        using Real = typename V::Real;
        constexpr double kUnit = 1.0 / (1 << 30);  // of inverse times 1/256 bin
        const Real zero = V::constant(0), far = V::constant(1 << 25);
        Real means[kMaxComponents], inverses[kMaxComponents], shares[kMaxComponents];  // means in 1/256 bin above low
        Real mean = zero, square = zero;
        for (int j = 0; j < components; ++j) {
            shares[j] = weights[j].real() * V::constant(1.0 / 65536);
            means[j] = V::minimum(V::maximum(parts[j].mean - low.template shl<kMeanBits>(), V::set(0)), V::set(1 << 25)).real();
            inverses[j] = parts[j].inverse.real() * V::constant(kUnit);
            const Real s = parts[j].sigma.real() * V::constant(0.25);
            mean = mean + shares[j] * means[j];
            square = square + shares[j] * (means[j] * means[j] + s * s);
        }
        const Real deviation = V::root(V::clamp(square - mean * mean, V::constant(1), V::constant(1e18)));
        const V target = mass_below(slot, low, high, rest);
        typename V::Mask upper;
        const Real distance = standard_quantile(parts[0], target, upper).real() * deviation * V::constant(1.0 / (1 << 24));
        const V start = V::select(upper, V::near(mean + distance), V::near(V::clamp(mean - distance, zero, far)));
        Real x = V::clamp(start.real(), zero, far);
        const Real wanted = target.real() * V::constant(0x1p-32) - V::constant(0.5);
        for (int step = 0; step < 2; ++step) {
            Real mass = zero, density = V::constant(1e-9);
            for (int j = 0; j < components; ++j) {
                // Phi(z) - 1/2 and its derivative by an odd polynomial, off by less than 2.6e-4 on -3 .. 3.
                const Real z = V::clamp((x - means[j]) * inverses[j], V::constant(-3), V::constant(3));
                const Real y = z * z;
                constexpr double c[] = {0.3979446935, -0.0639826202, 0.0081571769, -0.00060939832, 0.00001946677};
                Real p = V::constant(c[4]), q = V::constant(9 * c[4]);
                for (int k = 3; k >= 0; --k) {
                    p = p * y + V::constant(c[k]);
                    q = q * y + V::constant((2 * k + 1) * c[k]);
                }
                mass = mass + shares[j] * (p * z);
                density = density + shares[j] * inverses[j] * q;
            }
            x = V::clamp(x + V::clamp((wanted - mass) / density, zero - deviation, deviation), zero, far);
        }
        const V found = low + (V::near(x) + V::set(kHalfBin)).template shr<kMeanBits>();
        return gaussian ? found : newton(found, slot, deviation * V::constant(1.0 / (1 << kMeanBits)) + V::constant(1));
    }

private:
    V newton(V guessed, V slot, typename V::Real reach) const {
        using Real = typename V::Real;
        const V x = V::minimum(guessed, high);
        V mass = V::set(0);             // 2^-48
        Real density = V::constant(0);  // of that, by bin
        for (int j = 0; j < components; ++j) {
            typename V::Mask below;
            const Cell<V, kCellBits> cell = tail_of_edge(parts[j], x, below);
            const V tail = V::multiply(weights[j], cell.value());
            mass = mass + V::select(below, tail, weights[j].template shl<32>() - tail);
            const Real fall = (cell.fall() & V::set(kLow32)).real() * V::multiply(weights[j], parts[j].inverse).real();
            density = density + fall * cell.inverse_octave();
        }
        const Real slots = rest.real() * V::constant(0x1p-48);
        const Real at = (x - low).real();
        const Real missing = slot.real() - at - slots * mass.real();
        const Real slope = V::constant(1) + slots * density * V::constant(1 << (kMeanBits + kCellBits));
        const Real step = V::clamp(missing / slope, V::constant(0) - reach, reach);
        return low + V::near(V::clamp(at + step, V::constant(0), (high - low).real()));
    }
};

template <class V, class Distribution>
bool intervals_of(const Distribution &d, V x, Interval *out) {
    const V inside = V::minimum(V::maximum(x, d.low), d.high);
    const V start = d.cdf(inside);
    const V freq = d.cdf(inside + V::set(1)) - start;
    const auto escaped = V::either(V::greater(d.low, x), V::greater(x, d.high));
    const V both = start | freq.template shl<32>();
    V::select(escaped, V::set(kEscapeBits), both).store_intervals(out);
    return V::any(escaped);
}

// Newton's method, with the frequency of the probed bin as the density: from a guess to the bin itself, mostly in one to three
// rounds. A round computes both edges of a bin, which are independent of each other and keep the processor busy. C(a) <= slot <
// C(b) always; every fourth round halves [a, b) instead, so that no distribution takes more than 4 log2(bins) rounds.
template <class V, class Distribution>
bool locate_of(const Distribution &d, V slot, std::int64_t *symbols, Interval *out) {
    const auto escaped = V::greater(slot, V::set(kCoded - 1));
    const V wanted = V::select(escaped, V::set(0), slot);
    const V one = V::set(1);
    V a = d.low, b = d.high + one;
    V x = V::minimum(V::maximum(d.guess(wanted), d.low), d.high);
    for (int round = 1;; ++round) {
        const V start = d.cdf(x), end = d.cdf(x + one);
        const V freq = end - start;
        const auto left = V::greater(start, wanted), right = V::greater(end, wanted);
        if (!V::any(V::either(left, V::opposite(right)))) {
            x.store(symbols);
            V::select(escaped, V::set(kEscapeBits), start | freq.template shl<32>()).store_intervals(out);
            return V::any(escaped);
        }
        a = V::select(left, a, V::select(right, x, x + one));
        b = V::select(left, x, V::select(right, x + one, b));
        const V step = V::near(V::select(left, start - wanted - one, wanted - start).real() / freq.real());
        const V newton = V::select(left, x - step - one, x + step);
        const V middle = a + (b - a).template shr<1>();
        x = V::minimum(V::maximum(round % 4 == 0 ? middle : newton, a), b - one);
    }
}

// See location_scale.h. `bad` is set when a parameter of the lanes is refused; the result is then arbitrary.
template <class V>
V quantised(V mean, V scale, V family, bool &bad) {
    constexpr std::int64_t kMantissa = (std::int64_t{1} << 52) - 1;
    constexpr std::int64_t kLargestMean = std::bit_cast<std::int64_t>(4294967296.0);
    constexpr std::int64_t kLargestScale = 0x7fefffffffffffff;
    // Doubles of one sign compare as their bits, and what is not a number lies above infinity.
    const auto bad_mean = V::greater(mean & V::set(INT64_MAX), V::set(kLargestMean));
    const auto bad_scale = V::either(V::greater(V::set(1), scale), V::greater(scale, V::set(kLargestScale)));
    bad |= V::any(V::either(bad_mean, bad_scale));

    // Adding 1.5 2^52 rounds to an integer, ties to even.
    constexpr double kRound = 6755399441055744.0;
    const V steps = V::bits(mean.as_double() * V::constant(1 << kMeanBits) + V::constant(kRound)) - V::bits(V::constant(kRound));

    // The number of thresholds at or below the mantissa f is 16 log2(1 + f) rounded to nearest: floor(16 f), or one or two more.
    const V mantissa = scale & V::set(kMantissa);
    const V sixteenth = mantissa.template shr<48>();
    const auto reached = [&](V index) {
        return V::select(V::greater(V::look_up(kScaleThresholds, index), mantissa), V::set(0), V::set(1));
    };
    const V step = sixteenth + reached(sixteenth) + reached(sixteenth + V::set(1));
    const V octaves = scale.template shr<52>() - V::set(1023);
    const V index = octaves.template shl<4>() + step + V::set(kScaleOrigin);
    const V clamped = V::minimum(V::maximum(index, V::set(0)), V::set(kScaleCount - 1));
    return steps.template shl<16>() + family.template shl<8>() + clamped;
}

// Weights of V::width rows of probabilities, see location_scale.h. `bad` is set when a row is refused.
template <class V, class Float>
void weights_of(const Float *rows, std::size_t components, std::uint32_t *out, bool &bad) {
    constexpr double kRound = 6755399441055744.0;  // adding 1.5 2^52 rounds to an integer, ties to even
    const V one = V::set(1 << kWeightBits);
    auto sum = V::constant(0);
    V before = V::set(0), signs = V::set(0);
    for (std::size_t j = 0; j < components; ++j) {
        double column[V::width];
        for (std::size_t row = 0; row < V::width; ++row) column[row] = static_cast<double>(rows[row * components + j]);
        const auto p = V::load_double(column).as_double() + V::constant(0);  // -0 + 0 is 0
        signs = signs | V::bits(p);
        sum = sum + p;
        const auto scaled = V::clamp(sum, V::constant(0), V::constant(2)) * V::constant(1 << kWeightBits) + V::constant(kRound);
        const V rounded = V::minimum(V::bits(scaled) - V::bits(V::constant(kRound)), one);
        const V after = j + 1 == components ? one : rounded;
        std::int64_t weights[V::width];
        (after - before).store(weights);
        for (std::size_t row = 0; row < V::width; ++row) out[row * components + j] = static_cast<std::uint32_t>(weights[row]);
        before = after;
    }
    // Doubles of one sign compare as their bits, and what is not a number lies above all others of its sign.
    const auto negative = V::greater(V::set(0), signs);
    const auto small = V::greater(V::bits(V::constant(1 - kWeightTolerance)), V::bits(sum));
    const auto large = V::greater(V::bits(sum), V::bits(V::constant(1 + kWeightTolerance)));
    bad |= V::any(V::either(negative, V::either(small, large)));
}

template <class V>
struct Loops {
    using Rest = Lanes1;
    static constexpr std::size_t width = V::width;

    static V packed(const std::int64_t *parameters, std::size_t stride, std::size_t j) {
        return stride == 0 ? V::set(*parameters) : V::load(parameters + j);
    }

    static bool intervals(const std::int64_t *parameters, std::size_t stride, std::size_t n, const std::int64_t *symbols,
                          Interval *out) {
        bool escapes = false;
        std::size_t j = 0;
        for (; j + width <= n; j += width)
            escapes |= intervals_of<V>(Single<V>(packed(parameters, stride, j)), V::load(symbols + j), out + j);
        for (; j < n; ++j)
            escapes |= intervals_of<Rest>(Single<Rest>(Rest::set(parameters[j * stride])), Rest::load(symbols + j), out + j);
        return escapes;
    }

    static bool locate(const std::int64_t *parameters, std::size_t stride, std::size_t n, const std::uint32_t *slots,
                       std::int64_t *symbols, Interval *out) {
        bool escapes = false;
        std::size_t j = 0;
        for (; j + width <= n; j += width)
            escapes |= locate_of<V>(Single<V>(packed(parameters, stride, j)), V::load_u32(slots + j), symbols + j, out + j);
        for (; j < n; ++j)
            escapes |=
                locate_of<Rest>(Single<Rest>(Rest::set(parameters[j * stride])), Rest::load_u32(slots + j), symbols + j, out + j);
        return escapes;
    }

    static bool mixture_intervals(const std::int64_t *parameters, const std::uint32_t *weights, std::size_t stride,
                                  int components, std::size_t n, const std::int64_t *symbols, Interval *out) {
        bool escapes = false;
        std::size_t j = 0;
        for (; j + width <= n; j += width)
            escapes |= intervals_of<V>(Mixed<V>(parameters + j * stride, weights + j * stride, stride, components),
                                       V::load(symbols + j), out + j);
        for (; j < n; ++j)
            escapes |= intervals_of<Rest>(Mixed<Rest>(parameters + j * stride, weights + j * stride, stride, components),
                                          Rest::load(symbols + j), out + j);
        return escapes;
    }

    static bool mixture_locate(const std::int64_t *parameters, const std::uint32_t *weights, std::size_t stride, int components,
                               std::size_t n, const std::uint32_t *slots, std::int64_t *symbols, Interval *out) {
        bool escapes = false;
        std::size_t j = 0;
        using Pair = Twice<V>;  // a quarter faster: each step of the search waits for the one before
        for (; j + 2 * width <= n; j += 2 * width)
            escapes |= locate_of<Pair>(Mixed<Pair>(parameters + j * stride, weights + j * stride, stride, components),
                                       Pair::load_u32(slots + j), symbols + j, out + j);
        for (; j + width <= n; j += width)
            escapes |= locate_of<V>(Mixed<V>(parameters + j * stride, weights + j * stride, stride, components),
                                    V::load_u32(slots + j), symbols + j, out + j);
        for (; j < n; ++j)
            escapes |= locate_of<Rest>(Mixed<Rest>(parameters + j * stride, weights + j * stride, stride, components),
                                       Rest::load_u32(slots + j), symbols + j, out + j);
        return escapes;
    }

    template <class W, class Float>
    static W doubles(const Float *values, std::size_t stride, std::size_t j) {
        return stride == 0 ? W::bits(W::constant(*values)) : W::load_double(values + j);
    }

    template <class Float>
    static bool quantise(const Parameters<Float> &p, std::size_t n, std::int64_t *out) {
        bool bad = false;
        std::size_t j = 0;
        const auto family = [&]<class W>(W) { return p.family_stride == 0 ? W::set(*p.families) : W::load_u8(p.families + j); };
        for (; j + width <= n; j += width)
            quantised<V>(doubles<V>(p.means, p.mean_stride, j), doubles<V>(p.scales, p.scale_stride, j), family(V{}), bad)
                .store(out + j);
        for (; j < n; ++j)
            quantised<Rest>(doubles<Rest>(p.means, p.mean_stride, j), doubles<Rest>(p.scales, p.scale_stride, j), family(Rest{}),
                            bad)
                .store(out + j);
        return !bad;
    }

    template <class Float>
    static bool weights(const Float *probabilities, int components, std::size_t rows, std::uint32_t *out) {
        bool bad = false;
        std::size_t i = 0;
        const auto cells = static_cast<std::size_t>(components);
        for (; i + width <= rows; i += width) weights_of<V>(probabilities + i * cells, cells, out + i * cells, bad);
        for (; i < rows; ++i) weights_of<Rest>(probabilities + i * cells, cells, out + i * cells, bad);
        return !bad;
    }

    static constexpr Kernels kernels{intervals,       locate,           mixture_intervals, mixture_locate,
                                     quantise<float>, quantise<double>, weights<float>,    weights<double>};
};

}  // namespace
}  // namespace laconic::location_scale
