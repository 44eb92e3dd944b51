// The model of level `default`, for any kernel of the mixers; for mixed.cpp alone.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "image/least_squares.h"
#include "image/pixels.h"
#include "image/residual_model.h"

namespace laconic::image {

constexpr size_t kEdge = 8;  // readable samples before and after a row

// The last rows of a plane: samples as floats, and residuals.
class History {
public:
    explicit History(size_t width) : width_(width) {
        for (auto &row : samples_) row.assign(width + 2 * kEdge, 0.0f);
        for (auto &row : residuals_) row.assign(width + 2 * kEdge, 0);
    }

    // above = 0: the row being coded.
    float *samples(size_t above) { return samples_[(at_ + 3 - above) % 3].data() + kEdge; }
    int32_t *residuals(size_t above) { return residuals_[(at_ + 3 - above) % 3].data() + kEdge; }

    void begin_row() {
        at_ = (at_ + 1) % 3;
        float *const row = samples(0);
        const float *const above = samples(1);
        for (size_t k = 1; k <= kEdge; ++k) row[-static_cast<ptrdiff_t>(k)] = above[0];
    }
    void end_row() {
        float *const row = samples(0);
        int32_t *const residual = residuals(0);
        for (size_t k = 0; k < kEdge; ++k) {
            row[width_ + k] = row[width_ - 1];
            residual[width_ + k] = residual[width_ - 1];
        }
        for (size_t k = 1; k <= kEdge; ++k) residual[-static_cast<ptrdiff_t>(k)] = residual[0];
    }

private:
    size_t width_, at_ = 0;
    std::array<std::vector<float>, 3> samples_;
    std::array<std::vector<int32_t>, 3> residuals_;
};

inline void take(float *&x, const float *from, size_t n, float reference) {
    for (size_t i = 0; i < n; ++i) x[i] = from[i] - reference;
    x += n;
}

// With the sign turned where `mask` is -1. Signs are as good as random: these are no branches.
inline int32_t turned(int32_t e, int32_t mask) { return (e ^ mask) - mask; }
inline uint32_t size_of(int32_t e) { return static_cast<uint32_t>(turned(e, e >> 31)); }

inline uint32_t octave(uint32_t m, uint32_t most) {
    const auto width = static_cast<uint32_t>(std::bit_width(m));
    return width < most ? width : most;
}

// Signed values to 0 .. 2 * most: by size, in octaves.
inline uint32_t signed_level(int32_t e, int32_t most) {
    const auto steps = static_cast<int32_t>(octave(size_of(e), static_cast<uint32_t>(most)));
    return static_cast<uint32_t>(most + turned(steps, e >> 31));
}

template <class Kernel>
class PlaneModel {
public:
    PlaneModel(size_t width, unsigned bits, size_t before)
        : history(width),
          width_(width),
          before_(before),
          bits_(bits),
          most_((1 << bits) - 1),
          squares_(width, kFirst[std::min<size_t>(before, 2)]) {}

    // Codes row `y` of this plane: samples[0, width). Planes coded before it, the nearest first.
    template <class Step>
    void code_row(PlaneModel *const *earlier, uint16_t *samples, Step &&step) {
        history.begin_row();
        const Rows own(history);
        Rows near, far;
        if (before_ > 0) near = Rows(earlier[0]->history);
        if (before_ > 1) far = Rows(earlier[1]->history);
        for (size_t x = 0; x < width_; ++x) {
            if (x % kBlock == 0) squares_.begin_block(x / kBlock);
            const float reference = own.n[x];
            gather(own, near, far, x, squares_.taps());
            const float raw = reference + squares_.predict();
            const float limit = static_cast<float>(most_);
            const float bounded = raw > 0.0f ? (raw < limit ? raw : limit) : 0.0f;  // also where it is no number
            auto mean = static_cast<int32_t>(bounded * 16.0f + 0.5f);               // in sixteenths

            ResidualContext context;
            const uint32_t pattern = describe(own, near, x, mean, context);
            int32_t &bias = bias_[pattern];
            mean = std::clamp(mean + (bias >> 8), 0, most_ * 16);
            const int32_t centre = (mean + 8) >> 4, fraction = mean - centre * 16;  // -8 .. 7
            finish(near, x, fraction, centre, context);

            const int32_t side = fraction >> 31;  // residuals towards the fraction come out positive
            const int32_t error = turned(model_.code(context, turned(samples[x] - centre, side), step), side);
            const int32_t value = centre + error;
            if (value < 0 || value > most_) throw CorruptData("image: a sample leaves its range");
            samples[x] = static_cast<uint16_t>(value);
            own.row[x] = static_cast<float>(value);
            own.error[x] = error;
            bias += ((value * 16 - mean) * 256 - bias) / 64;
            squares_.learn(static_cast<float>(value) - reference);
            if (x % kBlock == kBlock - 1 || x == width_ - 1) squares_.end_block(x / kBlock);
        }
        history.end_row();
    }

    History history;

private:
    struct Rows {
        float *row = nullptr;
        const float *n = nullptr, *nn = nullptr;
        int32_t *error = nullptr;
        const int32_t *error_n = nullptr, *error_nn = nullptr;
        Rows() = default;
        explicit Rows(History &h)
            : row(h.samples(0)),
              n(h.samples(1)),
              nn(h.samples(2)),
              error(h.residuals(0)),
              error_n(h.residuals(1)),
              error_nn(h.residuals(2)) {}
    };

    // Weights to begin with, in the order of gather().
    static constexpr float kFirst[3][kTaps] = {
        {0, 0, 0, 0.75f, 0, 0, -0.25f, 0, 0.25f, 0, 0, 0, 0, 0, 0, 0},
        {0, 0.5f, 0, 0, 0.25f, 0, 0, 0, 0, -0.5f, 1.0f, 0, 0, 0, -0.25f, 0},
        {0, 0.5f, 0, 0, 0.25f, 0, 0, -0.5f, 1.0f, 0, 0, 0, 0, 0, 0, 0},
    };

    // Neighbours less the sample above, each plane by itself.
    void gather(const Rows &own, const Rows &near, const Rows &far, size_t x, float *taps) const {
        const float reference = own.n[x];
        if (before_ == 0) {
            take(taps, own.row + x - 4, 4, reference);
            take(taps, own.n + x - 3, 8, reference);
            take(taps, own.nn + x - 1, 4, reference);
        } else if (before_ == 1) {
            take(taps, own.row + x - 2, 2, reference);
            take(taps, own.n + x - 1, 4, reference);
            take(taps, own.nn + x, 2, reference);
            take(taps, near.row + x - 2, 4, near.n[x]);
            take(taps, near.n + x - 1, 4, near.n[x]);
        } else {
            take(taps, own.row + x - 2, 2, reference);
            take(taps, own.n + x - 1, 4, reference);
            take(taps, near.row + x - 2, 4, near.n[x]);
            take(taps, near.n + x - 1, 2, near.n[x]);
            take(taps, far.row + x - 2, 4, far.n[x]);
        }
    }

    // Contexts that do not depend on the exact mean; returns the one of the bias.
    uint32_t describe(const Rows &own, const Rows &near, size_t x, int32_t mean, ResidualContext &context) const {
        const int32_t ew = own.error[static_cast<ptrdiff_t>(x) - 1], en = own.error_n[x];
        const uint32_t w = size_of(ew), n = size_of(en), ne = size_of(own.error_n[x + 1]),
                       nw = size_of(own.error_n[static_cast<ptrdiff_t>(x) - 1]),
                       ww = size_of(own.error[static_cast<ptrdiff_t>(x) - 2]), nn = size_of(own.error_nn[x]);
        uint32_t sum = 2 * w + 2 * n + ne + nw;
        if (before_ > 0) {
            const uint32_t c = size_of(near.error[x]);
            sum = (sum * 3 + 6 * c) / 5;
        }
        context.level = std::min(quarters(sum + 1), 63u);
        const unsigned coarse = std::min(context.level / 4, 15u);
        const float m = static_cast<float>(mean) * 0.0625f;
        const auto above = [&](float value) -> uint32_t { return value > m ? 1 : 0; };
        const uint32_t pattern = above(own.row[static_cast<ptrdiff_t>(x) - 1]) | above(own.n[x]) << 1 |
                                 above(own.n[static_cast<ptrdiff_t>(x) - 1]) << 2 | above(own.n[x + 1]) << 3 |
                                 above(own.row[static_cast<ptrdiff_t>(x) - 2]) << 4 | above(own.nn[x]) << 5;
        context.sets[1] = octave(w, 7) * 128 + octave(n, 7) * 16 + std::min<uint32_t>(quarters(ne + nw + 1) / 2, 15);
        context.sets[3] = pattern * 16 + coarse;
        context.sets[4] = std::min<uint32_t>(quarters(ww + nn + 1), 31) * 32 + std::min<uint32_t>(context.level / 2, 31);
        return pattern * 16 + coarse;
    }

    // Contexts that follow the sign of the mean's fraction.
    void finish(const Rows &near, size_t x, int32_t fraction, int32_t centre, ResidualContext &context) const {
        const unsigned coarse = std::min(context.level / 4, 15u);
        const uint32_t part = size_of(fraction) / 2;  // 0 .. 4
        const int32_t side = fraction >> 31;
        context.sets[0] = context.level * 8 + part;
        if (before_ > 0) {
            context.sets[2] = signed_level(turned(near.error[x], side), 5) * 64 + std::min<uint32_t>(part / 2, 3) * 16 + coarse;
        } else {
            const int32_t ew = history_error(x, 0), en = history_error(x, 1);
            context.sets[2] = (signed_level(turned(ew, side), 3) * 7 + signed_level(turned(en, side), 3)) * 16 + coarse;
        }
        context.sets[5] = (static_cast<uint32_t>(centre) << 6 >> bits_) * 16 + coarse;
    }
    int32_t history_error(size_t x, size_t above) const {
        auto &h = const_cast<History &>(history);
        return above == 0 ? h.residuals(0)[static_cast<ptrdiff_t>(x) - 1] : h.residuals(1)[x];
    }

    size_t width_, before_;
    unsigned bits_;
    int32_t most_;
    LeastSquares squares_;
    ResidualModel<Kernel> model_;
    std::array<int32_t, 1024> bias_{};  // in 1/4096
};

// Codes all planes, row by row.
template <class Kernel, class Step>
inline void code_planes(Picture &picture, Step &&step) {
    const size_t count = picture.planes.size();
    // Green, red, blue: green says most about the others.
    std::vector<size_t> order(count);
    for (size_t p = 0; p < count; ++p) order[p] = p;
    if (count >= 3) std::swap(order[0], order[1]);
    std::vector<std::unique_ptr<PlaneModel<Kernel>>> models;
    for (size_t p = 0; p < count; ++p)
        models.push_back(
            std::make_unique<PlaneModel<Kernel>>(picture.width, picture.planes[order[p]].bits, std::min<size_t>(p, 2)));
    for (size_t y = 0; y < picture.height; ++y)
        for (size_t p = 0; p < count; ++p) {
            PlaneModel<Kernel> *const earlier[2] = {p > 0 ? models[p - 1].get() : nullptr, p > 1 ? models[p - 2].get() : nullptr};
            models[p]->code_row(earlier, picture.planes[order[p]].samples.data() + y * picture.width, step);
        }
}

template <class Kernel>
inline std::vector<uint8_t> encode_with(Picture &picture) {
    BinaryEncoder coder;
    code_planes<Kernel>(picture, [&](bool bit, uint32_t p) { return coder.encode(bit, p), bit; });
    return coder.finish();
}

template <class Kernel>
inline void decode_with(const uint8_t *data, size_t size, Picture &picture) {
    BinaryDecoder coder(std::span(data, size));
    code_planes<Kernel>(picture, [&](bool, uint32_t p) { return coder.decode(p); });
    coder.finish();
}

}  // namespace laconic::image
