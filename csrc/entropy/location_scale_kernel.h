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
constexpr std::int64_t kHalfBin = 1 << (kMeanBits - 1);
constexpr std::int64_t kMaxDistance = (1 << 25) - 1;  // 1/256 bin: beyond, every tail is that at the end of its table
constexpr std::int64_t kFirstOctave = 1 << 25;        // 2^-5 in z's unit of 2^-30
constexpr std::int64_t kLastZ = (std::int64_t{1} << 36) - 1;
constexpr std::int64_t kLow32 = 0xffffffff;

constexpr std::int64_t cell_of(std::int64_t x, int cell_bits) {
    return std::bit_cast<std::int64_t>(static_cast<double>(x)) >> (52 - cell_bits);
}

template <class V>
V minimum(V a, V b) {
    return V::select(V::greater(a, b), b, a);
}
template <class V>
V maximum(V a, V b) {
    return V::select(V::greater(a, b), a, b);
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

    explicit Component(V packed) {
        const V entry = V::look_up(kScales, packed & V::set(kFamilies * kScaleCount - 1));
        mean = packed.template sra<16>();
        centre = (mean + V::set(kHalfBin)).template sra<kMeanBits>();
        family = packed.template shr<8>() & V::set(kFamilies - 1);
        tails = V::multiply(family, V::set(kTailKnots));
        inverse = entry & V::set((1 << 27) - 1);
        half = entry.template shr<27>() & V::set(kMaxHalfWindow);
        sigma = entry.template shr<42>();
    }
};

// A point of a table that is linear between knots at 2^e (1 + c / cells): x > 0.
template <class V, int cell_bits>
V interpolate(const std::uint32_t *table, V offset, V x, std::int64_t first) {
    const V bits = x.double_bits();
    const V cell = bits.template shr<52 - cell_bits>() - V::set(cell_of(first, cell_bits));
    const V part = bits.template shr<28 - cell_bits>() & V::set((1 << 24) - 1);
    const V pair = V::look_up_pair(table, offset + cell);
    const V left = pair & V::set(kLow32);
    return left - V::multiply(left - pair.template shr<32>(), part).template shr<24>();  // every table falls
}

// Upper tail of |lower edge of bin x - mean|, and whether the edge is below the mean.
template <class V>
V tail_of_edge(const Component<V> &c, V x, typename V::Mask &below) {
    const V edge = x.template shl<kMeanBits>() - V::set(kHalfBin) - c.mean;
    below = V::greater(V::set(0), edge);
    const V distance = minimum(V::select(below, V::set(0) - edge, edge), V::set(kMaxDistance));
    const V z = minimum(V::multiply(distance, c.inverse) + V::set(kFirstOctave), V::set(kLastZ));
    return interpolate<V, kCellBits>(kTails, c.tails, z, kFirstOctave);
}

// Where the distribution reaches the 2^-32 fraction `target` of its mass: the mean and a signed distance, in 2^-16 bins.
template <class V>
V inverse_cdf(const Component<V> &c, V target) {
    const auto upper = V::greater(target, V::set(std::int64_t{1} << 31));
    V q = V::select(upper, V::set(std::int64_t{1} << 32) - target, target);
    q = minimum(maximum(q, V::set(1 << kInverseLow)), V::set((std::int64_t{1} << 31) - 1));
    const V z = interpolate<V, kInverseCellBits>(kInverse, V::multiply(c.family, V::set(kInverseKnots)), q, 1 << kInverseLow);
    const V distance = V::multiply(z, c.sigma).template shr<18>();
    return c.mean.template shl<8>() + V::select(upper, distance, V::set(0) - distance);
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
        const V q = tail_of_edge(part, x, below);
        const V tail = V::multiply(rest, q).template shr<32>();
        const V inner = (x - low) + V::select(below, tail, rest - tail);
        return V::select(V::greater(x, low), V::select(V::greater(x, high), V::set(kCoded), inner), V::set(0));
    }

    V guess(V slot) const {
        const V u = maximum(slot - part.half, V::set(0));
        const V target = u.template shl<8>() + V::multiply(u, V::set(kTotal) - rest).template shr<16>();
        return (inverse_cdf(part, target) + V::set(1 << 15)).template sra<16>();
    }
};

template <class V>
struct Mixed {
    const std::int64_t *parameters;
    const std::uint32_t *weights;
    std::size_t stride;
    int components;
    V low, high, rest;

    Mixed(const std::int64_t *parameters_, const std::uint32_t *weights_, std::size_t stride_, int components_)
        : parameters(parameters_), weights(weights_), stride(stride_), components(components_) {
        V heaviest = V::set(0), middle = V::set(0);
        low = V::set(INT64_MAX);
        high = V::set(INT64_MIN);
        for (int j = 0; j < components; ++j) {
            const Component<V> c(V::gather(parameters + j, stride));
            const V weight = V::gather_u32(weights + j, stride);
            const auto exists = V::greater(weight, V::set(0));
            low = V::select(exists, minimum(low, c.centre - c.half), low);
            high = V::select(exists, maximum(high, c.centre + c.half), high);
            middle = V::select(V::greater(weight, heaviest), c.centre, middle);
            heaviest = maximum(heaviest, weight);
        }
        // A hull wider than any window is cut to the widest window around the heaviest component (the first of them).
        const auto wide = V::greater(high - low, V::set(2 * kMaxHalfWindow));
        low = V::select(wide, maximum(low, middle - V::set(kMaxHalfWindow)), low);
        high = V::select(wide, minimum(high, middle + V::set(kMaxHalfWindow)), high);
        rest = V::set(kCoded - 1) - (high - low);
    }

    V cdf(V x) const {
        V mass = V::set(0);  // 2^-48
        for (int j = 0; j < components; ++j) {
            const Component<V> c(V::gather(parameters + j, stride));
            const V weight = V::gather_u32(weights + j, stride);
            typename V::Mask below;
            const V q = tail_of_edge(c, x, below);
            const V tail = V::multiply(weight, q);
            mass = mass + V::select(below, tail, weight.template shl<32>() - tail);
        }
        const V inner = (x - low) + V::multiply(rest, mass.template shr<17>()).template shr<31>();
        return V::select(V::greater(x, low), V::select(V::greater(x, high), V::set(kCoded), inner), V::set(0));
    }

    // The average of the components' own answers: exact when they differ only in location, and seldom far off when they overlap.
    V guess(V slot) const {
        const V u = maximum(slot - (high - low).template shr<1>(), V::set(0));
        const V target = u.template shl<8>() + V::multiply(u, V::set(kTotal) - rest).template shr<16>();
        V sum = V::set(0);  // 2^-32 bins above low
        for (int j = 0; j < components; ++j) {
            const Component<V> c(V::gather(parameters + j, stride));
            const V weight = V::gather_u32(weights + j, stride);
            const V above = maximum(inverse_cdf(c, target).template sra<8>() - low.template shl<8>(), V::set(0));
            sum = sum + V::multiply(minimum(above, V::set((1 << 25) - 1)), weight);
        }
        return low + (sum + V::set(1 << 23)).template shr<24>();
    }
};

template <class V, class Distribution>
bool intervals_of(const Distribution &d, V x, Interval *out) {
    const V inside = minimum(maximum(x, d.low), d.high);
    const V start = d.cdf(inside);
    const V freq = d.cdf(inside + V::set(1)) - start;
    const auto escaped = V::either(V::greater(d.low, x), V::greater(x, d.high));
    const V both = start | freq.template shl<32>();
    const std::int64_t escape = kEscapeStart | static_cast<std::int64_t>(kEscapeFreq) << 32;
    V::select(escaped, V::set(escape), both).store_intervals(out);
    return V::any(escaped);
}

// Keeps C(a) <= slot < C(b) and stops at b = a + 1: probes the guess, then its neighbour on the slot's side, and from there on by
// interpolation and halving in turn, so that 2 log2(bins) probes always suffice.
template <class V, class Distribution>
bool locate_of(const Distribution &d, V slot, std::int64_t *symbols, Interval *out) {
    const auto escaped = V::greater(slot, V::set(kCoded - 1));
    const V wanted = V::select(escaped, V::set(0), slot);
    const V one = V::set(1);
    V a = d.low, b = d.high + one, ca = V::set(0), cb = V::set(kCoded);
    const auto probe = [&](V x) {
        const V c = d.cdf(x);
        const auto above = V::greater(c, wanted);
        a = V::select(above, a, x);
        ca = V::select(above, ca, c);
        b = V::select(above, x, b);
        cb = V::select(above, c, cb);
        return above;
    };
    const V first = minimum(maximum(d.guess(wanted), a), d.high);
    const auto above = probe(first);
    probe(maximum(V::select(above, first - one, first + one), d.low));
    for (bool halve = false; V::any(V::greater(b - a, one)); halve = !halve) {
        const V width = b - a;
        const V step = halve ? width.template shr<1>() : V::ratio(V::multiply(wanted - ca, width), cb - ca);
        probe(a + minimum(maximum(step, one), maximum(width - one, V::set(0))));
    }
    a.store(symbols);
    const std::int64_t escape = kEscapeStart | static_cast<std::int64_t>(kEscapeFreq) << 32;
    V::select(escaped, V::set(escape), ca | (cb - ca).template shl<32>()).store_intervals(out);
    return V::any(escaped);
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
        for (; j + width <= n; j += width)
            escapes |= locate_of<V>(Mixed<V>(parameters + j * stride, weights + j * stride, stride, components),
                                    V::load_u32(slots + j), symbols + j, out + j);
        for (; j < n; ++j)
            escapes |= locate_of<Rest>(Mixed<Rest>(parameters + j * stride, weights + j * stride, stride, components),
                                       Rest::load_u32(slots + j), symbols + j, out + j);
        return escapes;
    }

    static constexpr Kernels kernels{intervals, locate, mixture_intervals, mixture_locate};
};

}  // namespace
}  // namespace laconic::location_scale
