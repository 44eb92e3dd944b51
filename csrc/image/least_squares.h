// Linear prediction with weights fitted to what was seen nearby, in IEEE single precision.
//
// Every operation is a basic one in a fixed order, elementwise over arrays that compilers may turn into vectors of any width
// (nothing is contracted or reordered; sums over taps are written as a tree), so that all machines compute the same bits.
//
// A row is cut into blocks of kBlock samples. The products of the taps with each other and with the target are summed for each
// block; a block's weights solve the normal equations of the block above and of its neighbours (X. Li, M. Orchard, "Edge-directed
// prediction for lossless compression of natural images", 2001, with a window that is cheap to move). They serve two rows.
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

// Sums over samples: taps times taps, taps times target.
struct alignas(sizeof(Vector)) Moments {
    Vector products[kTaps] = {};
    Vector targets = {};
};

class alignas(sizeof(Vector)) LeastSquares {
public:
    // `first`: weights to begin with, towards which fitted ones are drawn.
    LeastSquares(size_t width, const float *first) : fitted_((width + kBlock - 1) / kBlock), sums_(fitted_.size() + 2) {
        for (size_t i = 0; i < kTaps; ++i) first_[i] = first[i];
    }

    // Before each row.
    void begin_row() {
        fresh_ = !fresh_;
        if (!fresh_) return;
        size_t block = 0;
        for (; block + kTogether <= fitted_.size(); block += kTogether) fit<kTogether>(block);
        for (; block < fitted_.size(); ++block) fit<1>(block);
    }
    // Of the samples of a block.
    const float *weights(size_t block) const { return reinterpret_cast<const float *>(&fitted_[block].of); }

    // What the block's samples were: the taps of each, and the target.
    void learn(size_t block, const Vector *taps, const float *targets, size_t count) {
        Moments &sum = sums_[block + 1];
        Moments now;
        for (size_t n = 0; n < count; ++n) {
            const Vector x = taps[n];
            for (size_t i = 0; i < kTaps; ++i) now.products[i] += x[i] * x;
            now.targets += targets[n] * x;
        }
        for (size_t i = 0; i < kTaps; ++i) sum.products[i] = sum.products[i] * kDecay + now.products[i];
        sum.targets = sum.targets * kDecay + now.targets;
    }

private:
    static constexpr float kDecay = 0.87f;  // of a block's moments from row to row
    static constexpr float kRidge = 24.0f;

    static constexpr size_t kTogether = 2;  // blocks fitted in step: one alone would mostly wait for its divisions

    // (P + ridge) w = t + ridge * first, by elimination without pivots: the matrix is positive definite.
    template <size_t Blocks>
    void fit(size_t block) {
        Vector rows[Blocks][kTaps], targets[Blocks];
        float inverse[Blocks][kTaps];
        for (size_t n = 0; n < Blocks; ++n) {
            const Moments &a = sums_[block + n], &b = sums_[block + n + 1], &c = sums_[block + n + 2];
            targets[n] = ((a.targets + b.targets) + c.targets) + kRidge * first_;
            for (size_t i = 0; i < kTaps; ++i) {
                rows[n][i] = (a.products[i] + b.products[i]) + c.products[i];
                rows[n][i][i] += kRidge;
            }
        }
        for (size_t k = 0; k < kTaps; ++k) {
            Vector factors[Blocks];
            float target[Blocks];
            for (size_t n = 0; n < Blocks; ++n) {
                const float pivot = rows[n][k][k];
                inverse[n][k] = 1.0f / (pivot > kRidge * 0.5f ? pivot : kRidge * 0.5f);
                factors[n] = rows[n][k] * inverse[n][k];  // the matrix is symmetric: of the rows below, too
                target[n] = targets[n][k];
            }
            for (size_t i = k + 1; i < kTaps; ++i)
                for (size_t n = 0; n < Blocks; ++n) rows[n][i] -= factors[n][i] * rows[n][k];
            for (size_t i = k + 1; i < kTaps; ++i)
                for (size_t n = 0; n < Blocks; ++n) targets[n][i] -= factors[n][i] * target[n];
        }
        for (size_t k = kTaps; k-- > 0;)
            for (size_t n = 0; n < Blocks; ++n) {
                const float weight = targets[n][k] * inverse[n][k];
                fitted_[block + n].of[k] = weight;
                for (size_t i = 0; i < k; ++i) targets[n][i] -= rows[n][i][k] * weight;
            }
    }

    struct alignas(sizeof(Vector)) Weights {
        Vector of = {};
    };
    Vector first_ = {};
    std::vector<Weights> fitted_;
    bool fresh_ = false;         // whether fitted_ was made for this row
    std::vector<Moments> sums_;  // sums_[block + 1]; one of zeros at either end
};

}  // namespace laconic::image
