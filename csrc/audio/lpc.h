// Forward-adaptive linear prediction of one block: coefficients found by the encoder, stored, and applied in exact integers.
//
// Analysis: integer autocorrelation of the windowed block, the Levinson-Durbin recursion (J. Durbin, "The fitting of time-series
// models", 1960) in IEEE doubles of a fixed order of operations, so every machine finds the same coefficients. Prediction:
// (sum of c[k] x[i-1-k] + 2^(shift-1)) >> shift in 64 bits, differences modulo 2^32: no sample value can overflow.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace laconic::audio {

constexpr size_t kMaxOrder = 32;
constexpr unsigned kMinBlockBits = 10, kMaxBlockBits = 14;
constexpr size_t kMaxBlock = size_t{1} << kMaxBlockBits;  // samples of a channel that share coefficients
constexpr unsigned kCoefficientBits = 13;                 // with the sign
constexpr unsigned kMaxLpcShift = 20;

struct Predictor {
    unsigned order = 0;  // 0: the prediction is 0
    unsigned shift = 0;
    std::array<int32_t, kMaxOrder> coefficients{};  // beyond `order`: 0
};

struct Analysis {
    Predictor predictor;
    double bits;  // estimated size of the block
};

// x[0, n), n <= kMaxBlock.
Analysis analyse(const int32_t *x, size_t n, size_t max_order);

// residual[i] = x[i] - prediction; x[-kMaxOrder, n) must be readable.
void predict_residual(const Predictor &predictor, const int32_t *x, size_t n, int32_t *residual);

// The inverse, in place: x[0, n) holds the residual and becomes the samples.
void restore_samples(const Predictor &predictor, int32_t *x, size_t n);

struct LpcKernels {
    // sums[lag] = sum of x[i] * x[i + lag], 0 <= lag < lags, i + lag < n; |x| < 2^22, lags <= n.
    void (*autocorrelate)(const int32_t *x, size_t n, size_t lags, int64_t *sums);
    void (*residual)(const Predictor &predictor, const int32_t *x, size_t n, int32_t *residual);
    void (*restore)(const Predictor &predictor, int32_t *x, size_t n);
};

#if defined(LACONIC_X86)
extern const LpcKernels kLpcAvx2, kLpcAvx512;
#endif

}  // namespace laconic::audio
