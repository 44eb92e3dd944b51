#include "audio/lpc.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "audio/lpc_impl.h"
#include "entropy/cpu.h"

namespace laconic::audio {
namespace {

void restore_here(const Predictor &predictor, int32_t *x, size_t n) {
    const int64_t rounding = predictor.shift == 0 ? 0 : int64_t{1} << (predictor.shift - 1);
    for (size_t i = 0; i < n; ++i) {
        int64_t sum = rounding;
        for (size_t k = 0; k < predictor.order; ++k) sum += int64_t{predictor.coefficients[k]} * *(x + i - 1 - k);
        x[i] = static_cast<int32_t>(static_cast<uint32_t>(x[i]) + static_cast<uint32_t>(sum >> predictor.shift));
    }
}

constexpr LpcKernels kScalar{autocorrelate_here, residual_here, restore_here};

const LpcKernels &kernels() {
#if defined(LACONIC_X86)
    if (active_isa() == Isa::avx512) return kLpcAvx512;
    if (active_isa() == Isa::avx2) return kLpcAvx2;
#endif
    return kScalar;
}

// log2 of a positive normal double, from basic operations alone: the same on every machine.
double log2_exact(double x) {
    const auto bits = std::bit_cast<uint64_t>(x);
    const int exponent = static_cast<int>(bits >> 52) - 1023;
    const double m = std::bit_cast<double>((bits & ((uint64_t{1} << 52) - 1)) | uint64_t{1023} << 52);
    const double z = (m - 1) / (m + 1), zz = z * z;  // atanh series, |z| <= 1/3
    return exponent + 2.8853900817779268 * z * (1 + zz * (1.0 / 3 + zz * (1.0 / 5 + zz * (1.0 / 7 + zz / 9))));
}

// Bits of the largest magnitude.
unsigned highest_bit(const int32_t *x, size_t n) {
    uint32_t any = 0;
    for (size_t i = 0; i < n; ++i) any |= static_cast<uint32_t>(x[i] ^ (x[i] >> 31));
    return static_cast<unsigned>(std::bit_width(any));
}

// The block, scaled to about 20 bits, with tapered edges.
void window(const int32_t *x, size_t n, int32_t *out) {
    const int shift = 20 - static_cast<int>(highest_bit(x, n));
    for (size_t i = 0; i < n; ++i) out[i] = shift >= 0 ? x[i] * (1 << shift) : x[i] >> -shift;
    const size_t taper = n / 4;
    for (size_t i = 0; i < taper; ++i) {  // 3 t^2 - 2 t^3 in 2^-30
        const uint64_t t = ((2 * i + 1) << 14) / (2 * taper);
        const auto weight = static_cast<int64_t>((3 * t * t << 14) - 2 * t * t * t >> 12);
        out[i] = static_cast<int32_t>(out[i] * weight >> 30);
        out[n - 1 - i] = static_cast<int32_t>(out[n - 1 - i] * weight >> 30);
    }
}

// Coefficients to integers with a common shift; rounding errors are carried to the next one, as FLAC does.
Predictor quantise(const double *c, size_t order) {
    double most = 0;
    for (size_t k = 0; k < order; ++k) most = std::max(most, c[k] < 0 ? -c[k] : c[k]);
    Predictor out;
    if (!(most > 1e-9) || !(most < 8192)) return out;
    const int integer_bits = static_cast<int>(std::bit_cast<uint64_t>(most) >> 52) - 1023 + 1;  // most < 2^integer_bits
    const int shift = std::clamp(static_cast<int>(kCoefficientBits) - 1 - integer_bits, 0, static_cast<int>(kMaxLpcShift));
    out.order = static_cast<unsigned>(order);
    out.shift = static_cast<unsigned>(shift);
    constexpr int32_t kMost = (1 << (kCoefficientBits - 1)) - 1;
    const double scale = static_cast<double>(1 << shift);
    double carried = 0;
    for (size_t k = 0; k < order; ++k) {
        carried += c[k] * scale;
        const int32_t q = std::clamp(static_cast<int32_t>(std::floor(carried + 0.5)), -kMost, kMost);
        out.coefficients[k] = q;
        carried -= q;
    }
    while (out.order > 0 && out.coefficients[out.order - 1] == 0) --out.order;
    return out;
}

constexpr size_t kSizeStep = 512;

// log2 of the root mean square of n samples whose squares, of 2^-down times them, add up to `energy`; n times, at least 0.
double half_bits(size_t n, uint64_t energy, unsigned down) {
    const double mean = static_cast<double>(energy + n) / static_cast<double>(n);
    return static_cast<double>(n) * (log2_exact(mean) / 2 + down);
}

constexpr double kBitsPerCoefficient = 12;

}  // namespace

Analysis analyse(const int32_t *x, size_t n, size_t max_order) {
    Analysis result{{}, 0};
    max_order = std::min(max_order, n / 4);
    int32_t windowed[kMaxBlock];
    window(x, n, windowed);
    int64_t sums[kMaxOrder + 1];
    kernels().autocorrelate(windowed, n, max_order + 1, sums);
    if (sums[0] == 0) return result;

    double a[kMaxOrder] = {}, kept[kMaxOrder] = {};
    double error = static_cast<double>(sums[0]) * (1 + 1e-9);
    const double first = error;
    double best = 0;
    size_t best_order = 0;
    for (size_t k = 0; k < max_order; ++k) {
        double sum = static_cast<double>(sums[k + 1]);
        for (size_t j = 0; j < k; ++j) sum -= a[j] * static_cast<double>(sums[k - j]);
        const double reflection = sum / error;
        double next[kMaxOrder];
        for (size_t j = 0; j < k; ++j) next[j] = a[j] - reflection * a[k - 1 - j];
        next[k] = reflection;
        std::copy(next, next + k + 1, a);
        error *= 1 - reflection * reflection;
        if (!(error > first * 1e-13)) break;
        const double bits =
            static_cast<double>(n) / 2 * log2_exact(error / first) + static_cast<double>(k + 1) * kBitsPerCoefficient;
        if (bits < best) {
            best = bits;
            best_order = k + 1;
            std::copy(a, a + k + 1, kept);
        }
    }
    result.predictor = quantise(kept, best_order);
    result.bits = best;
    // The gain of prediction is relative to the signal's own size. The entropy stage follows that in short steps, though not
    // fully.
    const unsigned down = std::max(highest_bit(x, n), 24u) - 24;
    uint64_t whole = 0;
    for (size_t at = 0; at < n; at += kSizeStep) {
        const size_t m = std::min(kSizeStep, n - at);
        uint64_t energy = 0;
        for (size_t i = at; i < at + m; ++i) energy += static_cast<uint64_t>(int64_t{x[i] >> down} * (x[i] >> down));
        whole += energy;
        result.bits += half_bits(m, energy, down) / 2;
    }
    result.bits += half_bits(n, whole, down) / 2;
    return result;
}

void predict_residual(const Predictor &predictor, const int32_t *x, size_t n, int32_t *residual) {
    if (predictor.order == 0)
        std::copy(x, x + n, residual);
    else
        kernels().residual(predictor, x, n, residual);
}

void restore_samples(const Predictor &predictor, int32_t *x, size_t n) {
    if (predictor.order > 0) kernels().restore(predictor, x, n);
}

}  // namespace laconic::audio
