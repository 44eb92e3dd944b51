// Loops of lpc.h that the compiler vectorises, included by one file per instruction set; all in an anonymous namespace, so that
// no file's code can be linked into another's.
#pragma once

#include "audio/lpc.h"

namespace laconic::audio {
namespace {

void autocorrelate_here(const int32_t *x, size_t n, size_t lags, int64_t *sums) {
    for (size_t lag = 0; lag < lags; ++lag) {
        int64_t sum = 0;
        for (size_t i = 0; i < n - lag; ++i) sum += int64_t{x[i]} * x[i + lag];
        sums[lag] = sum;
    }
}

// Tap by tap over a tile of samples, so that the sums stay in registers or the first-level cache.
void residual_here(const Predictor &predictor, const int32_t *x, size_t n, int32_t *residual) {
    constexpr size_t kTile = 32;
    const int64_t rounding = predictor.shift == 0 ? 0 : int64_t{1} << (predictor.shift - 1);
    for (size_t first = 0; first < n; first += kTile) {
        const size_t count = n - first < kTile ? n - first : kTile;
        int64_t sums[kTile];
        for (size_t i = 0; i < kTile; ++i) sums[i] = rounding;
        if (count == kTile) {
            for (size_t k = 0; k < predictor.order; ++k) {
                const int32_t c = predictor.coefficients[k];
                const int32_t *const p = x + first - 1 - k;
                for (size_t i = 0; i < kTile; ++i) sums[i] += int64_t{c} * p[i];
            }
        } else {
            for (size_t k = 0; k < predictor.order; ++k)
                for (size_t i = 0; i < count; ++i) sums[i] += int64_t{predictor.coefficients[k]} * (x + first - 1 - k)[i];
        }
        for (size_t i = 0; i < count; ++i)
            residual[first + i] =
                static_cast<int32_t>(static_cast<uint32_t>(x[first + i]) - static_cast<uint32_t>(sums[i] >> predictor.shift));
    }
}

// sums[k]: what the samples before give to the prediction k samples ahead (the transposed form of the filter), so that a new
// sample is multiplied with all coefficients at once and no sum runs over samples just written.
inline void start_sums(const Predictor &predictor, const int32_t *x, int64_t *sums) {
    for (size_t k = 0; k < kMaxOrder; ++k) {
        sums[k] = predictor.shift == 0 ? 0 : int64_t{1} << (predictor.shift - 1);
        for (size_t j = k; j < predictor.order; ++j) sums[k] += int64_t{predictor.coefficients[j]} * *(x - 1 - (j - k));
    }
}

}  // namespace
}  // namespace laconic::audio
