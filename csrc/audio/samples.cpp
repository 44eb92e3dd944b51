#include "audio/samples.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <stdexcept>
#include <type_traits>

namespace laconic::audio {
namespace {

template <unsigned Width, bool Big>
uint64_t load(const uint8_t *p) {
    uint64_t x = 0;
    for (unsigned k = 0; k < Width; ++k) x |= uint64_t{p[Big ? Width - 1 - k : k]} << (8 * k);
    return x;
}

template <unsigned Width, bool Big>
void store(uint8_t *p, uint64_t x) {
    for (unsigned k = 0; k < Width; ++k) p[Big ? Width - 1 - k : k] = static_cast<uint8_t>(x >> (8 * k));
}

// A float as mantissa * 2^exponent with an odd mantissa; false for what no integer can stand for.
template <unsigned Width>
bool dissect(uint64_t bits, uint64_t &mantissa, int &exponent) {
    constexpr unsigned kMantissa = Width == 4 ? 23 : 52, kExponent = Width == 4 ? 8 : 11;
    const auto e = static_cast<int>(bits >> kMantissa & ((1u << kExponent) - 1));
    mantissa = bits & ((uint64_t{1} << kMantissa) - 1);
    if (e == (1 << kExponent) - 1) return false;
    if (e != 0)
        mantissa |= uint64_t{1} << kMantissa;
    else if (mantissa == 0)
        return bits == 0;
    const int zeros = std::countr_zero(mantissa);
    mantissa >>= zeros;
    exponent = std::max(e, 1) - ((1 << (kExponent - 1)) - 1) - static_cast<int>(kMantissa) + zeros;
    return true;
}

template <unsigned Width>
uint64_t float_bits(int32_t value, int shift) {  // value * 2^-shift, which is exact
    if (value == 0) return 0;
    constexpr unsigned kMantissa = Width == 4 ? 23 : 52, kExponent = Width == 4 ? 8 : 11;
    const uint64_t sign = value < 0,
                   magnitude = sign ? uint64_t{0} - static_cast<uint64_t>(int64_t{value}) : static_cast<uint64_t>(value);
    const int top = static_cast<int>(std::bit_width(magnitude)) - 1;
    const int e = top - shift + (1 << (kExponent - 1)) - 1;
    const uint64_t aligned = top <= static_cast<int>(kMantissa) ? magnitude << (kMantissa - static_cast<unsigned>(top))
                                                                : magnitude >> (static_cast<unsigned>(top) - kMantissa);
    uint64_t bits = 0;
    if (e >= 1)
        bits = (static_cast<uint64_t>(std::min(e, (1 << kExponent) - 1)) << kMantissa) |
               (aligned & ((uint64_t{1} << kMantissa) - 1));
    else if (e > -static_cast<int>(kMantissa))  // subnormal
        bits = aligned >> (1 - e);
    return bits | sign << (8 * Width - 1);
}

template <unsigned Width, bool Big>
std::optional<FloatScale> find_shift(const uint8_t *raw, size_t count) {
    int finest = 4096, top = -4096;
    for (size_t i = 0; i < count; ++i) {
        uint64_t mantissa;
        int exponent = 0;
        if (!dissect<Width>(load<Width, Big>(raw + i * Width), mantissa, exponent)) return {};
        if (mantissa == 0) continue;
        finest = std::min(finest, exponent);
        top = std::max(top, exponent + static_cast<int>(std::bit_width(mantissa)));
        if (top - finest > 31) return {};
    }
    return FloatScale{static_cast<size_t>(finest == 4096 ? kShiftBias : kShiftBias - finest), 1};
}

template <unsigned Width>
using Float = std::conditional_t<Width == 4, float, double>;
template <unsigned Width>
using FloatBits = std::conditional_t<Width == 4, uint32_t, uint64_t>;

template <unsigned Width>
Float<Width> to_float(uint64_t bits) {
    return std::bit_cast<Float<Width>>(static_cast<FloatBits<Width>>(bits));
}
template <unsigned Width>
uint64_t quotient_bits(int32_t value, uint32_t divisor) {  // one division, correctly rounded on every IEEE machine
    return std::bit_cast<FloatBits<Width>>(static_cast<Float<Width>>(value) / static_cast<Float<Width>>(divisor));
}

// The integer whose quotient `x` may be; only a comparison with the quotient can tell.
template <unsigned Width>
int32_t numerator(Float<Width> x, uint32_t divisor) {
    constexpr double kMost = Width == 4 ? 1 << 24 : 1 << 30;
    const double y = static_cast<double>(x) * divisor;
    return y > -kMost && y < kMost ? static_cast<int32_t>(std::floor(y + 0.5)) : 0;
}

// If the samples are quotients, the smallest of them is a small integer's.
template <unsigned Width, bool Big>
std::optional<FloatScale> find_divisor(const uint8_t *raw, size_t count) {
    double least = 1;
    for (size_t i = 0; i < count; ++i) {
        const double x = std::abs(static_cast<double>(to_float<Width>(load<Width, Big>(raw + i * Width))));
        if (x > 0 && x < least) least = x;
    }
    constexpr double kMost = Width == 4 ? 1 << 24 : kMaxDivisor;
    for (int first = 1; first <= 4; ++first) {
        const double divisor = std::floor(first / least + 0.5);
        if (!(divisor <= kMost)) break;
        const auto d = static_cast<uint32_t>(divisor);
        size_t i = 0;
        while (i < count) {
            const uint64_t bits = load<Width, Big>(raw + i * Width);
            if (quotient_bits<Width>(numerator<Width>(to_float<Width>(bits), d), d) != bits) break;
            ++i;
        }
        if (i == count) return FloatScale{0, d};
    }
    return {};
}

template <unsigned Width, bool Big, SampleKind Kind>
void split(const uint8_t *raw, const FloatScale &scale, Planes &planes) {
    const size_t channels = planes.channels(), n = planes.length();
    for (size_t c = 0; c < channels; ++c) {
        int32_t *const out = planes[c];
        const uint8_t *p = raw + c * Width;
        for (size_t i = 0; i < n; ++i, p += channels * Width) {
            const uint64_t x = load<Width, Big>(p);
            if constexpr (Kind == SampleKind::floating) {
                if (scale.shift == 0) {
                    out[i] = numerator<Width>(to_float<Width>(x), scale.divisor);
                    continue;
                }
                uint64_t mantissa;
                int exponent = 0;
                dissect<Width>(x, mantissa, exponent);
                const int up = exponent + static_cast<int>(scale.shift) - kShiftBias;
                const auto magnitude = mantissa == 0 ? 0 : static_cast<int64_t>(mantissa << up);
                out[i] = static_cast<int32_t>(x >> (8 * Width - 1) ? -magnitude : magnitude);
            } else {
                constexpr unsigned kUp = 32 - 8 * Width;  // sign-extends
                uint32_t y = static_cast<uint32_t>(x) << kUp;
                if constexpr (Kind == SampleKind::unsigned_integer) y ^= 1u << 31;
                out[i] = static_cast<int32_t>(y) >> kUp;
            }
        }
    }
}

template <unsigned Width, bool Big, SampleKind Kind>
void join(const Planes &planes, const FloatScale &scale, uint8_t *raw) {
    const size_t channels = planes.channels(), n = planes.length();
    for (size_t c = 0; c < channels; ++c) {
        const int32_t *const in = planes[c];
        uint8_t *p = raw + c * Width;
        for (size_t i = 0; i < n; ++i, p += channels * Width) {
            if constexpr (Kind == SampleKind::floating)
                store<Width, Big>(p, scale.shift == 0 ? quotient_bits<Width>(in[i], scale.divisor)
                                                      : float_bits<Width>(in[i], static_cast<int>(scale.shift) - kShiftBias));
            else
                store<Width, Big>(
                    p, static_cast<uint32_t>(in[i]) ^ (Kind == SampleKind::unsigned_integer ? 1u << (8 * Width - 1) : 0));
        }
    }
}

// Calls f<Width, Big, Kind>() for a format.
template <class F>
void with_format(const SampleFormat &format, F &&f) {
    const auto ordered = [&]<unsigned W, SampleKind K>() {
        format.big_endian ? f.template operator()<W, true, K>() : f.template operator()<W, false, K>();
    };
    const auto integer = [&]<unsigned W>() {
        if (format.kind == SampleKind::signed_integer)
            ordered.template operator()<W, SampleKind::signed_integer>();
        else
            ordered.template operator()<W, SampleKind::unsigned_integer>();
    };
    if (format.kind == SampleKind::floating) {
        if (format.width == 4)
            ordered.template operator()<4, SampleKind::floating>();
        else
            ordered.template operator()<8, SampleKind::floating>();
    } else if (format.width == 1) {
        integer.template operator()<1>();
    } else if (format.width == 2) {
        integer.template operator()<2>();
    } else if (format.width == 3) {
        integer.template operator()<3>();
    } else {
        integer.template operator()<4>();
    }
}

}  // namespace

void SampleFormat::check() const {
    const bool good = kind == SampleKind::floating ? width == 4 || width == 8 : width >= 1 && width <= 4;
    if (!good || static_cast<unsigned>(kind) > 2 || channels > kMaxChannels) throw std::invalid_argument("no such sample format");
}

std::optional<FloatScale> find_float_scale(const uint8_t *raw, size_t count, const SampleFormat &format) {
    std::optional<FloatScale> found;
    with_format(format, [&]<unsigned W, bool B, SampleKind K>() {
        if constexpr (K == SampleKind::floating) {
            found = find_shift<W, B>(raw, count);
            if (!found) found = find_divisor<W, B>(raw, count);
        }
    });
    return found;
}

void split_channels(const uint8_t *raw, const SampleFormat &format, const FloatScale &scale, Planes &planes) {
    with_format(format, [&]<unsigned W, bool B, SampleKind K>() { split<W, B, K>(raw, scale, planes); });
}

void join_channels(const Planes &planes, const SampleFormat &format, const FloatScale &scale, uint8_t *raw) {
    with_format(format, [&]<unsigned W, bool B, SampleKind K>() { join<W, B, K>(planes, scale, raw); });
}

}  // namespace laconic::audio
