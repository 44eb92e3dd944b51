#include "audio/samples.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

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
int float_shift_of(const uint8_t *raw, size_t count) {
    int finest = 4096, top = -4096;
    for (size_t i = 0; i < count; ++i) {
        uint64_t mantissa;
        int exponent = 0;
        if (!dissect<Width>(load<Width, Big>(raw + i * Width), mantissa, exponent)) return kNoShift;
        if (mantissa == 0) continue;
        finest = std::min(finest, exponent);
        top = std::max(top, exponent + static_cast<int>(std::bit_width(mantissa)));
        if (top - finest > 31) return kNoShift;
    }
    return finest == 4096 ? kShiftBias : kShiftBias - finest;
}

template <unsigned Width, bool Big, SampleKind Kind>
void split(const uint8_t *raw, int shift, Planes &planes) {
    const size_t channels = planes.channels(), n = planes.length();
    for (size_t c = 0; c < channels; ++c) {
        int32_t *const out = planes[c];
        const uint8_t *p = raw + c * Width;
        for (size_t i = 0; i < n; ++i, p += channels * Width) {
            const uint64_t x = load<Width, Big>(p);
            if constexpr (Kind == SampleKind::floating) {
                uint64_t mantissa;
                int exponent = 0;
                dissect<Width>(x, mantissa, exponent);
                const auto magnitude = mantissa == 0 ? 0 : static_cast<int64_t>(mantissa << (exponent + shift));
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
void join(const Planes &planes, int shift, uint8_t *raw) {
    const size_t channels = planes.channels(), n = planes.length();
    for (size_t c = 0; c < channels; ++c) {
        const int32_t *const in = planes[c];
        uint8_t *p = raw + c * Width;
        for (size_t i = 0; i < n; ++i, p += channels * Width) {
            if constexpr (Kind == SampleKind::floating)
                store<Width, Big>(p, float_bits<Width>(in[i], shift));
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

int float_shift(const uint8_t *raw, size_t count, const SampleFormat &format) {
    int shift = kNoShift;
    with_format(format, [&]<unsigned W, bool B, SampleKind K>() {
        if constexpr (K == SampleKind::floating) shift = float_shift_of<W, B>(raw, count);
    });
    return shift;
}

void split_channels(const uint8_t *raw, const SampleFormat &format, int shift, Planes &planes) {
    with_format(format, [&]<unsigned W, bool B, SampleKind K>() { split<W, B, K>(raw, shift - kShiftBias, planes); });
}

void join_channels(const Planes &planes, const SampleFormat &format, int shift, uint8_t *raw) {
    with_format(format, [&]<unsigned W, bool B, SampleKind K>() { join<W, B, K>(planes, shift - kShiftBias, raw); });
}

}  // namespace laconic::audio
