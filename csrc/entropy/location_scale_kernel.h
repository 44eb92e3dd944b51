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
constexpr double kRound = 6755399441055744.0;  // adding 1.5 2^52 rounds to an integer, ties to even

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
    explicit Component(V packed)
        : Component(packed.template sra<16>(), packed.template shr<8>() & V::set(kFamilies - 1),
                    packed & V::set(kFamilies * kScaleCount - 1)) {}
    // scale: index into kScales
    [[gnu::always_inline]] Component(V mean_, V family_, V scale) : mean(mean_), family(family_) {
        const V entry = V::look_up(kScales, scale);
        centre = (mean + V::set(kHalfBin)).template sra<kMeanBits>();
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
    static constexpr bool kSeveralRounds = false;  // hardly ever
    Component<V> part;
    V low, high;
    V rest;  // slots beyond one for each bin

    explicit Single(V packed)
        : part(packed),
          low(part.centre - part.half),
          high(part.centre + part.half),
          rest(V::set(kCoded - 1) - part.half - part.half) {}

    // Slots below bin x, for low <= x <= high + 1.
    [[gnu::always_inline]] V cdf(V x) const {
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

// The nearest points of the grids of location_scale.h, from the bits of doubles. `bad`: lanes of which a parameter is refused;
// what they get is arbitrary.
template <class V>
[[gnu::always_inline]] inline V mean_on_grid(V mean, typename V::Mask &bad) {
    constexpr std::int64_t kLargest = std::bit_cast<std::int64_t>(4294967296.0);
    // Doubles of one sign compare as their bits, and what is not a number lies above infinity.
    bad = V::either(bad, V::greater(mean & V::set(INT64_MAX), V::set(kLargest)));
    return V::bits(mean.as_double() * V::constant(1 << kMeanBits) + V::constant(kRound)) - V::bits(V::constant(kRound));
}

template <class V>
[[gnu::always_inline]] inline V scale_on_grid(V scale, typename V::Mask &bad) {
    constexpr std::int64_t kMantissa = (std::int64_t{1} << 52) - 1;
    constexpr std::int64_t kLargest = 0x7fefffffffffffff;
    bad = V::either(bad, V::either(V::greater(V::set(1), scale), V::greater(scale, V::set(kLargest))));
    // The number of thresholds at or below the mantissa f is 16 log2(1 + f) rounded to nearest: floor(16 f), or one or two more.
    // The exponent and floor(16 f) stand together.
    const V mantissa = scale & V::set(kMantissa), sixteenth = mantissa.template shr<48>();
    V index = scale.template shr<48>() + V::set(kScaleOrigin - 16 * 1023 + 2);
    for (int k = 0; k < 2; ++k)
        index = V::add_where(V::greater(V::look_up_16(kScaleThresholds + k, sixteenth), mantissa), index, V::set(-1));
    return V::minimum(V::maximum(index, V::set(0)), V::set(kScaleCount - 1));
}

template <class V>
[[gnu::always_inline]] inline V quantised(V mean, V scale, V family, typename V::Mask &bad) {
    return mean_on_grid(mean, bad).template shl<16>() + family.template shl<8>() + scale_on_grid(scale, bad);
}

template <class V>
typename V::Mask none() {
    return V::greater(V::set(0), V::set(0));
}

// The weights of a row of probabilities, one component after the other.
template <class V>
class WeightSteps {
public:
    // p: the bits of doubles
    [[gnu::always_inline]] V next(V p, bool last) {
        constexpr double one = 1 << kWeightBits;
        least_ = V::smaller(p.as_double(), least_);
        sum_ = sum_ + p.as_double();
        const auto scaled = V::smaller(sum_ * V::constant(one), V::constant(one)) + V::constant(kRound);
        const V after = last ? V::set(1 << kWeightBits) : V::bits(scaled) - V::bits(V::constant(kRound));
        const V weight = after - before_;
        before_ = after;
        return weight;
    }
    // Rows that are refused.
    typename V::Mask bad() const {
        // Doubles of one sign compare as their bits, and what is not a number lies above all others of its sign.
        const auto negative = V::greater(V::set(0), V::bits(least_ + V::constant(0)));  // -0 + 0 is 0
        const auto small = V::greater(V::bits(V::constant(1 - kWeightTolerance)), V::bits(sum_));
        const auto large = V::greater(V::bits(sum_), V::bits(V::constant(1 + kWeightTolerance)));
        return V::either(negative, V::either(small, large));
    }

private:
    typename V::Real sum_ = V::constant(0), least_ = V::constant(0);
    V before_ = V::set(0);
};

// Rows of components as they lie in memory, V::width of them: each(add) calls add(j, component j, its weight) and returns
// whether a row is refused. stride: elements from row to row, 0 if all are alike.
struct PackedRows {
    const std::int64_t *parameters;
    const std::uint32_t *weights;
    std::size_t stride;
    int components;

    PackedRows from(std::size_t j) const { return {parameters + j * stride, weights + j * stride, stride, components}; }

    template <class V, class Add>
    [[gnu::always_inline]] bool each(Add &&add) const {
        const auto count = static_cast<std::size_t>(components);
        const Columns<V, std::int64_t, kMaxComponents> parts(parameters, stride, count);
        const Columns<V, std::uint32_t, kMaxComponents> shares(weights, stride, count);
        for (std::size_t j = 0; j < count; ++j) add(j, Component<V>(parts.integers(j)), shares.unsigned_integers(j));
        return false;
    }
};

template <class Float>
struct FloatRows : GaussianRows<Float> {
    FloatRows from(std::size_t j) const {
        const std::size_t at = j * this->stride;
        return {{this->means + at, this->scales + at, this->weights + at, this->stride, this->components}};
    }

    template <class V, class Add>
    [[gnu::always_inline]] bool each(Add &&add) const {
        using Numbers = Columns<V, Float, kMaxComponents>;
        const auto count = static_cast<std::size_t>(this->components);
        const Numbers m(this->means, this->stride, count), s(this->scales, this->stride, count),
            w(this->weights, this->stride, count);
        auto bad = none<V>();
        WeightSteps<V> steps;
        for (std::size_t j = 0; j < count; ++j) {
            const V mean = mean_on_grid(m.doubles(j), bad), scale = scale_on_grid(s.doubles(j), bad);
            add(j, Component<V>(mean, V::set(0), scale), steps.next(w.doubles(j), j + 1 == count));
        }
        return V::any(V::either(steps.bad(), bad));
    }
};

template <class V>
struct Mixed {
    static constexpr bool kSeveralRounds = true;
    int components;
    Component<V> parts[kMaxComponents];
    V weights[kMaxComponents];
    V low, high, rest;
    bool gaussian;  // every component of every lane
    bool bad;       // a row is refused: nothing may be asked of the others

    template <class Rows>
    explicit Mixed(const Rows &rows) : components(rows.components) {
        V heaviest = V::set(0), middle = V::set(0), families = V::set(0);
        low = V::set(INT64_MAX);
        high = V::set(INT64_MIN);
        bad = rows.template each<V>([&](std::size_t j, const Component<V> &c, V weight) __attribute__((always_inline)) {
            parts[j] = c;
            weights[j] = weight;
            const auto exists = V::greater(weight, V::set(0));
            low = V::select(exists, V::minimum(low, c.centre - c.half), low);
            high = V::select(exists, V::maximum(high, c.centre + c.half), high);
            middle = V::select(V::greater(weight, heaviest), c.centre, middle);
            heaviest = V::maximum(heaviest, weight);
            families = families | c.family;
        });
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

    // The place where approximate Gaussians weigh what the slot says, by Newton's method between the least and the greatest of
    // the components' quantiles: from the quantile of the one Gaussian with the mixture's mean and variance. A step that leaves
    // these bounds, which close in, halves their distance instead. For other families, a step with the true density follows.
    // Floats are enough: the mass is known to 2^-22, a place to one in 2^24.
    V guess(V slot) const {
        using Real = typename V::Rough;
        constexpr double kUnit = 1.0 / (1 << 30);  // of inverse times 1/256 bin
        const Real zero = Real::constant(0), far = Real::constant(1 << 25);
        const V target = mass_below(slot, low, high, rest);
        typename V::Mask upper;
        const V quantile = standard_quantile(parts[0], target, upper);
        const Real z = V::select(upper, quantile, V::set(0) - quantile).rough() * Real::constant(1.0 / (1 << 24));
        Real means[kMaxComponents], inverses[kMaxComponents], shares[kMaxComponents];  // means in 1/256 bin above low
        Real mean = zero, square = zero, least = far, greatest = zero;
        for (int j = 0; j < components; ++j) {
            shares[j] = weights[j].rough() * Real::constant(1.0 / 65536);
            means[j] = V::minimum(V::maximum(parts[j].mean - low.template shl<kMeanBits>(), V::set(0)), V::set(1 << 25)).rough();
            inverses[j] = parts[j].inverse.rough() * Real::constant(kUnit);
            const Real s = parts[j].sigma.rough() * Real::constant(0.25);
            mean = Real::fused(shares[j], means[j], mean);
            square = Real::fused(shares[j], Real::fused(means[j], means[j], s * s), square);
            const Real there = Real::clamp(Real::fused(z, s, means[j]), zero, far);
            least = Real::smaller(there, least);
            greatest = Real::greater(there, greatest);
        }
        const Real deviation = Real::root(Real::clamp(square - mean * mean, Real::constant(1), Real::constant(1e18)));
        Real x = Real::clamp(Real::fused(z, deviation, mean), least, greatest);
        const Real wanted = target.template shr<2>().rough() * Real::constant(0x1p-30) - Real::constant(0.5);
        for (int step = 0; step < kSteps; ++step) {
            Real mass = zero, density = zero;
            for (int j = 0; j < components; ++j) {
                // Phi(z) - 1/2 and its derivative by an odd polynomial, off by less than 2.3e-4; 1/2 and flat at the end.
                const Real at = Real::clamp((x - means[j]) * inverses[j], Real::constant(-kEnd), Real::constant(kEnd));
                const Real y = at * at;
                constexpr int top = std::size(kPhi) - 1;
                Real p = Real::constant(kPhi[top]), q = Real::constant((2 * top + 1) * kPhi[top]);
                for (int k = top - 1; k >= 0; --k) {
                    p = Real::fused(p, y, Real::constant(kPhi[k]));
                    q = Real::fused(q, y, Real::constant((2 * k + 1) * kPhi[k]));
                }
                mass = Real::fused(shares[j], p * at, mass);
                density = Real::fused(shares[j] * inverses[j], q, density);
            }
            const Real missing = wanted - mass;
            least = Real::choose(missing, x, least);
            greatest = Real::choose(missing, greatest, x);
            const Real newton = x + missing / Real::greater(density, Real::constant(1e-9));
            const Real inside = Real::smaller(newton - least, greatest - newton);
            const Real next = Real::choose(inside, newton, (least + greatest) * Real::constant(0.5));
            const Real moved = next - x;
            x = next;
            if (!Real::any_above(moved * moved, Real::constant(kSmallStep))) break;
        }
        const V found = low + (V::near(x) + V::set(kHalfBin)).template shr<kMeanBits>();
        return gaussian ? found
                        : newton(found, slot, V::near(deviation).real() * V::constant(1.0 / (1 << kMeanBits)) + V::constant(1));
    }

private:
    static constexpr int kSteps = 16;
    static constexpr double kSmallStep = 192.0 * 192;  // of three quarters of a bin, squared
    static constexpr double kEnd = 3.55;
    static constexpr double kPhi[] = {0.3980850358,     -0.06442939725,  0.008523502286,
                                      -0.0007243598028, 3.451503814e-05, -6.913456079e-07};

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
// rounds. C(a) <= slot < C(b) always; every fourth round halves [a, b) instead, so that no distribution takes more than
// 4 log2(bins) rounds.
template <class V>
struct Bracket {
    V a, b;

    // The bin to probe after x, whose slots start .. end lie right (`left`) or left of the wanted slot or hold it.
    [[gnu::always_inline]] V next(V x, V start, V freq, V wanted, typename V::Mask left, typename V::Mask right, int round) {
        const V one = V::set(1);
        a = V::select(left, a, V::select(right, x, x + one));
        b = V::select(left, x, V::select(right, x + one, b));
        const V step = V::near(V::select(left, start - wanted - one, V::maximum(wanted - start, V::set(0))).real() / freq.real());
        const V newton = V::select(left, x - step - one, x + step);
        const V middle = a + (b - a).template shr<1>();
        return V::minimum(V::maximum(round % 4 == 0 ? middle : newton, a), b - one);
    }
};

template <class V, class Distribution>
bool locate_of(const Distribution &d, V slot, std::int64_t *symbols, Interval *out) {
    const auto escaped = V::greater(slot, V::set(kCoded - 1));
    const V wanted = V::select(escaped, V::set(0), slot);
    const V one = V::set(1);
    Bracket<V> bracket{d.low, d.high + one};
    V x = V::minimum(V::maximum(d.guess(wanted), d.low), d.high);
    const auto finish = [&](V start, V freq) {
        x.store(symbols);
        V::select(escaped, V::set(kEscapeBits), start | freq.template shl<32>()).store_intervals(out);
        return V::any(escaped);
    };
    if constexpr (!Distribution::kSeveralRounds) {
        for (int round = 1;; ++round) {
            const V start = d.cdf(x), end = d.cdf(x + one);
            const V freq = end - start;
            const auto left = V::greater(start, wanted), right = V::greater(end, wanted);
            if (!V::any(V::either(left, V::opposite(right)))) return finish(start, freq);
            x = bracket.next(x, start, freq, wanted, left, right, round);
        }
    } else {
        // The first round computes both edges of a bin, which are independent of each other and keep the processor busy; the next
        // bin is mostly a neighbour, of which one edge is known.
        V start = d.cdf(x), end = d.cdf(x + one);
        for (int round = 1;; ++round) {
            const auto left = V::greater(start, wanted), right = V::greater(end, wanted);
            const auto wrong = V::either(left, V::opposite(right));
            if (!V::any(wrong)) return finish(start, end - start);
            const V next = bracket.next(x, start, end - start, wanted, left, right, round);
            const V near = d.cdf(V::select(left, next, next + one));  // the edge on the far side of x
            const auto apart = V::either(V::greater(next, x + one), V::greater(x, next + one));
            const V back = V::any(apart) ? d.cdf(V::select(left, next + one, next)) : V::select(left, start, end);
            start = V::select(wrong, V::select(left, near, back), start);
            end = V::select(wrong, V::select(left, back, near), end);
            x = next;
        }
    }
}

// Weights of V::width rows of probabilities, see location_scale.h. `bad` is set when a row is refused.
template <class V, class Float>
void weights_of(const Float *rows, std::size_t components, std::uint32_t *out, bool &bad) {
    const Columns<V, Float, kMaxComponents> numbers(rows, components, components);
    WeightSteps<V> steps;
    for (std::size_t j = 0; j < components; ++j) {
        std::int64_t weights[V::width];
        steps.next(numbers.doubles(j), j + 1 == components).store(weights);
        for (std::size_t row = 0; row < V::width; ++row) out[row * components + j] = static_cast<std::uint32_t>(weights[row]);
    }
    bad |= V::any(steps.bad());
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

    template <class Rows>
    static bool mixtures_intervals(const Rows &rows, std::size_t n, const std::int64_t *symbols, Interval *out, bool &bad) {
        bool escapes = false;
        const auto work = [&]<class W>(W, std::size_t j) {
            const Mixed<W> mixed(rows.from(j));
            bad |= mixed.bad;
            escapes |= intervals_of<W>(mixed, W::load(symbols + j), out + j);
        };
        std::size_t j = 0;
        for (; j + width <= n; j += width) work(V{}, j);
        for (; j < n; ++j) work(Rest{}, j);
        return escapes;
    }

    template <class Rows>
    static bool mixtures_locate(const Rows &rows, std::size_t n, const std::uint32_t *slots, std::int64_t *symbols, Interval *out,
                                bool &bad) {
        bool escapes = false;
        const auto work = [&]<class W>(W, std::size_t j) {
            const Mixed<W> mixed(rows.from(j));
            bad |= mixed.bad;
            if (!bad) escapes |= locate_of<W>(mixed, W::load_u32(slots + j), symbols + j, out + j);
        };
        std::size_t j = 0;
        using Pair = Twice<V>;  // a quarter faster: each step of the search waits for the one before
        for (; j + 2 * width <= n; j += 2 * width) work(Pair{}, j);
        for (; j + width <= n; j += width) work(V{}, j);
        for (; j < n; ++j) work(Rest{}, j);
        return escapes;
    }

    static bool mixture_intervals(const std::int64_t *parameters, const std::uint32_t *weights, std::size_t stride,
                                  int components, std::size_t n, const std::int64_t *symbols, Interval *out) {
        bool bad = false;
        return mixtures_intervals(PackedRows{parameters, weights, stride, components}, n, symbols, out, bad);
    }

    static bool mixture_locate(const std::int64_t *parameters, const std::uint32_t *weights, std::size_t stride, int components,
                               std::size_t n, const std::uint32_t *slots, std::int64_t *symbols, Interval *out) {
        bool bad = false;
        return mixtures_locate(PackedRows{parameters, weights, stride, components}, n, slots, symbols, out, bad);
    }

    template <class Float>
    static bool gaussians_intervals(const GaussianRows<Float> &rows, std::size_t n, const std::int64_t *symbols, Interval *out,
                                    bool &bad) {
        return mixtures_intervals(FloatRows<Float>{rows}, n, symbols, out, bad);
    }

    template <class Float>
    static bool gaussians_locate(const GaussianRows<Float> &rows, std::size_t n, const std::uint32_t *slots,
                                 std::int64_t *symbols, Interval *out, bool &bad) {
        return mixtures_locate(FloatRows<Float>{rows}, n, slots, symbols, out, bad);
    }

    template <class W, class Float>
    static W doubles(const Float *values, std::size_t stride, std::size_t j) {
        return stride == 0 ? W::bits(W::constant(*values)) : W::load_double(values + j);
    }

    template <class Float>
    static bool quantise(const Parameters<Float> &p, std::size_t n, std::int64_t *out) {
        bool bad = false;
        const auto work = [&]<class W>(W, std::size_t j) {
            auto refused = none<W>();
            const W family = p.family_stride == 0 ? W::set(*p.families) : W::load_u8(p.families + j);
            quantised<W>(doubles<W>(p.means, p.mean_stride, j), doubles<W>(p.scales, p.scale_stride, j), family, refused)
                .store(out + j);
            bad |= W::any(refused);
        };
        std::size_t j = 0;
        for (; j + width <= n; j += width) work(V{}, j);
        for (; j < n; ++j) work(Rest{}, j);
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

    static constexpr Kernels kernels{intervals,
                                     locate,
                                     mixture_intervals,
                                     mixture_locate,
                                     {gaussians_intervals<float>, gaussians_locate<float>},
                                     {gaussians_intervals<double>, gaussians_locate<double>},
                                     quantise<float>,
                                     quantise<double>,
                                     weights<float>,
                                     weights<double>};
};

}  // namespace
}  // namespace laconic::location_scale
