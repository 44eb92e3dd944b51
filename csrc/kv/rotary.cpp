#include "kv/rotary.h"

#include <cmath>
#include <cstdint>
#include <stdexcept>

namespace laconic::kv {
namespace {

// pi/2 in two parts: products of the first with numbers below 2^20 are exact.
constexpr double kHalfPiHigh = 0x1.921fb544p+0, kHalfPiLow = 0x1.0b4611a626331p-34;
constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;

struct SinCos {
    double sine, cosine;
};

// Taylor's series to the terms that matter below pi/4.
SinCos sin_cos(double angle) {
    const double n = std::floor(angle * kTwoOverPi + 0.5);
    const double r = (angle - n * kHalfPiHigh) - n * kHalfPiLow, s = r * r;
    double sine = -1.0 / 1307674368000.0, cosine = 1.0 / 20922789888000.0;
    for (const double c : {1.0 / 6227020800.0, -1.0 / 39916800.0, 1.0 / 362880.0, -1.0 / 5040.0, 1.0 / 120.0, -1.0 / 6.0, 1.0})
        sine = sine * s + c;
    for (const double c :
         {-1.0 / 87178291200.0, 1.0 / 479001600.0, -1.0 / 3628800.0, 1.0 / 40320.0, -1.0 / 720.0, 1.0 / 24.0, -0.5, 1.0})
        cosine = cosine * s + c;
    sine *= r;
    switch (static_cast<int64_t>(n) & 3) {
        case 0:
            return {sine, cosine};
        case 1:
            return {cosine, -sine};
        case 2:
            return {-sine, -cosine};
        default:
            return {-cosine, sine};
    }
}

}  // namespace

void Rotary::check(size_t channels) const {
    if (frequencies.empty()) return;
    if (head == 0 || channels % head != 0 || 2 * frequencies.size() > head)
        throw std::invalid_argument("rotary frequencies do not fit the heads");
    for (const double frequency : frequencies)
        if (!(std::fabs(frequency) <= 64)) throw std::invalid_argument("a rotary frequency is above 64 radians a token");
}

Turns::Turns(const Rotary &rotary, size_t position, size_t rows) : rotary_(rotary) {
    const size_t pairs = rotary.frequencies.size();
    if (position >> 40 != 0) throw std::invalid_argument("positions lie below 2^40");
    cosines_.reserve(rows * pairs);
    sines_.reserve(rows * pairs);
    for (size_t row = 0; row < rows; ++row)
        for (const double frequency : rotary.frequencies) {
            const SinCos turn = sin_cos(static_cast<double>(position + row) * frequency);
            cosines_.push_back(static_cast<float>(turn.cosine));
            sines_.push_back(static_cast<float>(turn.sine));
        }
}

void Turns::apply(float *row_values, size_t channels, size_t row, bool forward) const {
    const size_t pairs = rotary_.frequencies.size();
    if (pairs == 0) return;
    const float *const cosines = &cosines_[row * pairs], *const sines = &sines_[row * pairs];
    const size_t step = rotary_.neighbours ? 2 : 1, partner = rotary_.neighbours ? 1 : pairs;
    for (float *head = row_values; head < row_values + channels; head += rotary_.head)
        for (size_t i = 0; i < pairs; ++i) {
            float &a = head[step * i], &b = head[step * i + partner];
            const float c = cosines[i], s = forward ? sines[i] : -sines[i], x = a, y = b;
            a = x * c - y * s;
            b = x * s + y * c;
        }
}

}  // namespace laconic::kv
