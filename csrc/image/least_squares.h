// Linear prediction with weights fitted to what was seen nearby, in IEEE single precision.
//
// Every operation is a basic one in a fixed order, elementwise over arrays that compilers may turn into vectors of any width
// (nothing is contracted or reordered; sums over taps are written as a tree), so that all machines compute the same bits.
//
// A row is cut into blocks of kBlock samples. The products of the taps with each other and with the target are summed for each
// block; a block's weights solve the normal equations of the blocks to its left, above, and above right (X. Li, M. Orchard,
// "Edge-directed prediction for lossless compression of natural images", 2001, with a window that is cheap to move).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace laconic::image {

constexpr size_t kTaps = 16;
constexpr size_t kBlock = 16;

// Sums over samples: taps times taps, taps times target.
struct Moments {
    alignas(64) float products[kTaps][kTaps];
    alignas(64) float targets[kTaps];

    void clear() { std::fill_n(&products[0][0], kTaps * kTaps + kTaps, 0.0f); }

    void add_sample(const float *x, float target) {
        for (size_t i = 0; i < kTaps; ++i)
            for (size_t j = 0; j < kTaps; ++j) products[i][j] += x[i] * x[j];
        for (size_t j = 0; j < kTaps; ++j) targets[j] += x[j] * target;
    }
};
static_assert(sizeof(Moments) == (kTaps * kTaps + kTaps) * sizeof(float));

class LeastSquares {
public:
    // `first`: weights to begin with, towards which fitted ones are drawn.
    LeastSquares(size_t width, const float *first) : above_((width + kBlock - 1) / kBlock + 2) {
        std::copy_n(first, kTaps, first_);
        for (Moments &m : above_) m.clear();
        current_.clear();
    }

    void begin_block(size_t block) {
        fit(above_[block], above_[block + 1], above_[block + 2]);
        current_.clear();
    }

    float predict(const float *x) const {
        float p[kTaps];
        for (size_t i = 0; i < kTaps; ++i) p[i] = weights_[i] * x[i];
        for (size_t half = kTaps / 2; half > 0; half /= 2)
            for (size_t i = 0; i < half; ++i) p[i] = p[i] + p[i + half];
        return p[0];
    }

    void learn(const float *x, float target) { current_.add_sample(x, target); }

    void end_block(size_t block) {
        float *const sum = &above_[block + 1].products[0][0];
        const float *const now = &current_.products[0][0];
        for (size_t i = 0; i < kTaps * kTaps + kTaps; ++i) sum[i] = sum[i] * kDecay + now[i];
    }

private:
    static constexpr float kDecay = 0.85f;  // of a block's moments from row to row
    static constexpr float kRidge = 24.0f;

    // (P + ridge) w = t + ridge * first, by elimination without pivots: the matrix is positive definite.
    void fit(const Moments &a, const Moments &b, const Moments &c) {
        Moments m;
        float *const out = &m.products[0][0];
        const float *const pa = &a.products[0][0], *const pb = &b.products[0][0], *const pc = &c.products[0][0];
        for (size_t i = 0; i < kTaps * kTaps + kTaps; ++i) out[i] = (pa[i] + pb[i]) + pc[i];
        for (size_t i = 0; i < kTaps; ++i) {
            m.products[i][i] += kRidge;
            m.targets[i] += kRidge * first_[i];
        }
        float inverse[kTaps];
        for (size_t k = 0; k < kTaps; ++k) {
            const float pivot = m.products[k][k];
            inverse[k] = 1.0f / (pivot > kRidge * 0.5f ? pivot : kRidge * 0.5f);
            for (size_t i = k + 1; i < kTaps; ++i) {
                const float f = m.products[k][i] * inverse[k];
                for (size_t j = 0; j < kTaps; ++j) m.products[i][j] -= f * m.products[k][j];
                m.targets[i] -= f * m.targets[k];
            }
        }
        for (size_t k = kTaps; k-- > 0;) {
            weights_[k] = m.targets[k] * inverse[k];
            for (size_t i = 0; i < k; ++i) m.targets[i] -= m.products[i][k] * weights_[k];
        }
    }

    alignas(64) float weights_[kTaps] = {};
    alignas(64) float first_[kTaps];
    Moments current_;
    std::vector<Moments> above_;  // above_[block + 1]; one of zeros at either end
};

}  // namespace laconic::image
