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
#include <cstring>
#include <vector>

namespace laconic::image {

constexpr size_t kTaps = 16;
constexpr size_t kBlock = 16;

// Compilers split it into whatever vectors the target has; operations are elementwise, so the results are the same.
using Vector [[gnu::vector_size(kTaps * sizeof(float)), gnu::aligned(kTaps * sizeof(float)), gnu::may_alias]] = float;
using HalfVector [[gnu::vector_size(kTaps * sizeof(float) / 2)]] = float;
using QuarterVector [[gnu::vector_size(kTaps * sizeof(float) / 4)]] = float;

// Sums over samples: taps times taps, taps times target.
struct alignas(sizeof(Vector)) Moments {
    Vector products[kTaps] = {};
    Vector targets = {};
};

class alignas(sizeof(Vector)) LeastSquares {
public:
    // `first`: weights to begin with, towards which fitted ones are drawn.
    LeastSquares(size_t width, const float *first) : above_((width + kBlock - 1) / kBlock + 2) {
        for (size_t i = 0; i < kTaps; ++i) first_[i] = first[i];
    }

    void begin_block(size_t block) {
        fit(above_[block], above_[block + 1], above_[block + 2]);
        count_ = 0;
    }

    // The taps of the next sample, to be filled in.
    float *taps() { return reinterpret_cast<float *>(&taps_[count_]); }

    float predict() const {
        const Vector p = weights_ * taps_[count_];
        const HalfVector half =
            __builtin_shufflevector(p, p, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(p, p, 8, 9, 10, 11, 12, 13, 14, 15);
        const QuarterVector quarter =
            __builtin_shufflevector(half, half, 0, 1, 2, 3) + __builtin_shufflevector(half, half, 4, 5, 6, 7);
        return (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]);
    }

    void learn(float target) { targets_[count_++] = target; }

    void end_block(size_t block) {
        Moments &sum = above_[block + 1];
        Moments now;
        for (size_t n = 0; n < count_; ++n) {
            const Vector x = taps_[n];
            for (size_t i = 0; i < kTaps; ++i) now.products[i] += x[i] * x;
            now.targets += targets_[n] * x;
        }
        for (size_t i = 0; i < kTaps; ++i) sum.products[i] = sum.products[i] * kDecay + now.products[i];
        sum.targets = sum.targets * kDecay + now.targets;
    }

private:
    static constexpr float kDecay = 0.85f;  // of a block's moments from row to row
    static constexpr float kRidge = 24.0f;

    // (P + ridge) w = t + ridge * first, by elimination without pivots: the matrix is positive definite.
    void fit(const Moments &a, const Moments &b, const Moments &c) {
        Vector rows[kTaps], targets = ((a.targets + b.targets) + c.targets) + kRidge * first_;
        for (size_t i = 0; i < kTaps; ++i) {
            rows[i] = (a.products[i] + b.products[i]) + c.products[i];
            rows[i][i] += kRidge;
        }
        float inverse[kTaps];
        for (size_t k = 0; k < kTaps; ++k) {
            const float pivot = rows[k][k];
            inverse[k] = 1.0f / (pivot > kRidge * 0.5f ? pivot : kRidge * 0.5f);
            const Vector factors = rows[k] * inverse[k];  // the matrix is symmetric: of the rows below, too
            const float target = targets[k];
            for (size_t i = k + 1; i < kTaps; ++i) rows[i] -= factors[i] * rows[k];
            for (size_t i = k + 1; i < kTaps; ++i) targets[i] -= factors[i] * target;
        }
        for (size_t k = kTaps; k-- > 0;) {
            const float weight = targets[k] * inverse[k];
            weights_[k] = weight;
            for (size_t i = 0; i < k; ++i) targets[i] -= rows[i][k] * weight;
        }
    }

    Vector weights_ = {}, first_ = {};
    Vector taps_[kBlock] = {};
    float targets_[kBlock] = {};
    size_t count_ = 0;
    std::vector<Moments> above_;  // above_[block + 1]; one of zeros at either end
};

}  // namespace laconic::image
