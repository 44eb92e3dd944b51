// The model of level `default`, to be compiled for each instruction set; for mixed.cpp alone.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "image/least_squares.h"
#include "image/pixels.h"
#include "image/residual_model.h"

namespace laconic::image {

constexpr size_t kEdge = 8;  // samples before and after a row that repeat its ends

// The last rows of a plane: samples as floats, and residuals.
class History {
public:
    explicit History(size_t width) : width_(width) {
        for (auto &row : samples_) row.assign(width + 2 * kEdge + kBlock, 0.0f);  // the last block is read as a whole one
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
        squares_.begin_row();
        const Rows own(history);
        Rows near, far;
        if (before_ > 0) near = Rows(earlier[0]->history);
        if (before_ > 1) far = Rows(earlier[1]->history);
        if (before_ == 0)
            code_blocks<0>(own, near, far, samples, step);
        else if (before_ == 1)
            code_blocks<1>(own, near, far, samples, step);
        else
            code_blocks<2>(own, near, far, samples, step);
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

    // Weights to begin with, in the order of each_run().
    static constexpr float kFirst[3][kTaps] = {
        {0, 0, 0, 0.75f, 0, 0, -0.25f, 0.25f, 0, 0, 0, 0, 0, 0, 0, 0},
        {0, 0.5f, 0, 0.25f, 0, 0, 0, 0, 0, -0.5f, 1.0f, 0, 0, -0.25f, 0, 0},
        {0, 0.5f, 0, 0.25f, 0, 0, 0, -0.5f, 1.0f, 0, 0, 0, 0, 0, 0, 0},
    };
    template <size_t Before>
    static constexpr size_t kLeft = Before == 0 ? 4 : 2;  // taps of the row being coded: the first ones

    // Calls run.operator()<taps>(first sample, what is subtracted from each) for the runs of neighbours that are known before the
    // row is coded.
    template <size_t Before, class Run>
    static void each_run(const Rows &own, const Rows &near, const Rows &far, Run &&run) {
        if constexpr (Before == 0) {
            run.template operator()<3>(own.n - 3, own.n);
            run.template operator()<4>(own.n + 1, own.n);
            run.template operator()<5>(own.nn - 2, own.n);
        } else {
            run.template operator()<1>(own.n - 1, own.n);
            run.template operator()<2>(own.n + 1, own.n);
            if constexpr (Before == 1) {
                run.template operator()<3>(own.nn - 1, own.n);
                run.template operator()<4>(near.row - 2, near.n);
                run.template operator()<1>(near.n - 1, near.n);
                run.template operator()<2>(near.n + 1, near.n);
                run.template operator()<1>(near.nn, near.n);
            } else {
                run.template operator()<1>(own.nn, own.n);
                run.template operator()<4>(near.row - 2, near.n);
                run.template operator()<1>(near.n - 1, near.n);
                run.template operator()<1>(near.n + 1, near.n);
                run.template operator()<4>(far.row - 2, far.n);
            }
        }
    }

    template <size_t Before, class Step>
    void code_blocks(const Rows &own, const Rows &near, const Rows &far, uint16_t *samples, Step &&step) {
        for (size_t first = 0; first < width_; first += kBlock) {
            const size_t count = std::min(kBlock, width_ - first), block = first / kBlock;
            const float *const weights = squares_.weights(block);
            alignas(sizeof(Vector)) float known[kBlock];
            predict_known<Before>(own, near, far, first, weights + kLeft<Before>, known);
            for (size_t k = 0; k < count; ++k) {
                const size_t x = first + k;
                const float reference = own.n[x];
                const float *const left = own.row + x - kLeft<Before>;
                float sum = known[k];
                for (size_t i = 0; i < kLeft<Before>; ++i) sum += (left[i] - reference) * weights[i];
                code_sample<Before>(own, near, x, reference + sum, samples[x], step);
            }
            learn<Before>(own, near, far, first, count);
        }
    }

    // The share of the known neighbours in the prediction of a block's samples.
    template <size_t Before>
    static void predict_known(const Rows &own, const Rows &near, const Rows &far, size_t first, const float *weights,
                              float *known) {
        Vector sum = {};
        each_run<Before>(own, near, far, [&]<size_t Taps>(const float *from, const float *less) {
            Vector reference, sample;
            std::memcpy(&reference, less + first, sizeof reference);
            for (size_t i = 0; i < Taps; ++i) {
                std::memcpy(&sample, from + first + i, sizeof sample);
                sum += (sample - reference) * *weights++;
            }
        });
        std::memcpy(known, &sum, sizeof sum);
    }

    template <size_t Before>
    void learn(const Rows &own, const Rows &near, const Rows &far, size_t first, size_t count) {
        Vector taps[kBlock];
        float targets[kBlock];
        for (size_t k = 0; k < count; ++k) {
            const size_t x = first + k;
            float *tap = reinterpret_cast<float *>(&taps[k]);
            const auto take = [&]<size_t Taps>(const float *from, const float *less) {
                for (size_t i = 0; i < Taps; ++i) tap[i] = from[x + i] - less[x];
                tap += Taps;
            };
            take.template operator()<kLeft<Before>>(own.row - kLeft<Before>, own.n);
            each_run<Before>(own, near, far, take);
            targets[k] = own.row[x] - own.n[x];
        }
        squares_.learn(first / kBlock, taps, targets, count);
    }

    template <size_t Before, class Step>
    void code_sample(const Rows &own, const Rows &near, size_t x, float predicted, uint16_t &sample, Step &&step) {
        const float limit = static_cast<float>(most_);
        const float bounded = predicted > 0.0f ? (predicted < limit ? predicted : limit) : 0.0f;  // also where it is no number
        auto mean = static_cast<int32_t>(bounded * 16.0f + 0.5f);                                 // in sixteenths

        ResidualContext context;
        int32_t &bias = bias_[describe<Before>(own, near, x, mean, context)];
        mean = std::clamp(mean + (bias >> 8), 0, most_ * 16);
        const int32_t centre = (mean + 8) >> 4, fraction = mean - centre * 16;  // -8 .. 7
        finish<Before>(own, near, x, fraction, centre, context);

        const int32_t side = fraction >> 31;  // residuals towards the fraction come out positive
        const int32_t error = turned(model_.code(context, turned(sample - centre, side), step), side);
        const int32_t value = centre + error;
        if (value < 0 || value > most_) throw CorruptData("image: a sample leaves its range");
        sample = static_cast<uint16_t>(value);
        own.row[x] = static_cast<float>(value);
        own.error[x] = error;
        bias += ((value * 16 - mean) * 256 - bias) / 64;
    }

    // Contexts that do not depend on the exact mean; returns the one of the bias.
    template <size_t Before>
    static uint32_t describe(const Rows &own, const Rows &near, size_t x, int32_t mean, ResidualContext &context) {
        const auto at = static_cast<ptrdiff_t>(x);
        const uint32_t w = size_of(own.error[at - 1]), n = size_of(own.error_n[x]), ne = size_of(own.error_n[x + 1]),
                       nw = size_of(own.error_n[at - 1]), ww = size_of(own.error[at - 2]), nn = size_of(own.error_nn[x]);
        uint32_t sum = 2 * w + 2 * n + ne + nw;
        if constexpr (Before > 0) sum = (sum * 3 + 6 * size_of(near.error[x])) / 5;
        context.level = std::min(quarters(sum + 1), 63u);
        const unsigned coarse = context.level / 4;
        const float m = static_cast<float>(mean) * 0.0625f;
        const auto above = [&](float value) -> uint32_t { return value > m ? 1 : 0; };
        const uint32_t pattern = above(own.row[at - 1]) | above(own.n[x]) << 1 | above(own.n[at - 1]) << 2 |
                                 above(own.n[x + 1]) << 3 | above(own.row[at - 2]) << 4 | above(own.nn[x]) << 5;
        context.sets[1] = octave(w, 7) * 128 + octave(n, 7) * 16 + std::min<uint32_t>(quarters(ne + nw + 1) / 2, 15);
        context.sets[3] = pattern * 16 + coarse;
        context.sets[4] = std::min<uint32_t>(quarters(ww + nn + 1), 31) * 32 + std::min<uint32_t>(context.level / 2, 31);
        return pattern * 16 + coarse;
    }

    // Contexts that follow the sign of the mean's fraction.
    template <size_t Before>
    void finish(const Rows &own, const Rows &near, size_t x, int32_t fraction, int32_t centre, ResidualContext &context) const {
        const unsigned coarse = context.level / 4;
        const uint32_t part = size_of(fraction) / 2;  // 0 .. 4
        const int32_t side = fraction >> 31;
        context.sets[0] = context.level * 8 + part;
        if constexpr (Before > 0) {
            context.sets[2] = signed_level(turned(near.error[x], side), 5) * 64 + std::min<uint32_t>(part / 2, 3) * 16 + coarse;
        } else {
            const int32_t w = own.error[static_cast<ptrdiff_t>(x) - 1], n = own.error_n[x];
            context.sets[2] = (signed_level(turned(w, side), 3) * 7 + signed_level(turned(n, side), 3)) * 16 + coarse;
        }
        context.sets[5] = (static_cast<uint32_t>(centre) << 6 >> bits_) * 16 + coarse;
    }

    size_t width_, before_;
    unsigned bits_;
    int32_t most_;
    LeastSquares squares_;
    ResidualModel model_;
    std::array<int32_t, 1024> bias_{};  // in 1/4096
};

// Codes all planes, row by row.
template <class Step>
inline void code_planes(Picture &picture, Step &&step) {
    const size_t count = picture.planes.size();
    // Green, red, blue: green says most about the others.
    std::vector<size_t> order(count);
    for (size_t p = 0; p < count; ++p) order[p] = p;
    if (count >= 3) std::swap(order[0], order[1]);
    std::vector<std::unique_ptr<PlaneModel>> models;
    for (size_t p = 0; p < count; ++p)
        models.push_back(std::make_unique<PlaneModel>(picture.width, picture.planes[order[p]].bits, std::min<size_t>(p, 2)));
    for (size_t y = 0; y < picture.height; ++y)
        for (size_t p = 0; p < count; ++p) {
            PlaneModel *const earlier[2] = {p > 0 ? models[p - 1].get() : nullptr, p > 1 ? models[p - 2].get() : nullptr};
            models[p]->code_row(earlier, picture.planes[order[p]].samples.data() + y * picture.width, step);
        }
}

inline std::vector<uint8_t> encode_here(Picture &picture) {
    BinaryEncoder coder;
    code_planes(picture, [&](bool bit, uint32_t p) { return coder.encode(bit, p), bit; });
    return coder.finish();
}

inline void decode_here(const uint8_t *data, size_t size, Picture &picture) {
    BinaryDecoder coder(std::span(data, size));
    code_planes(picture, [&](bool, uint32_t p) { return coder.decode(p); });
    coder.finish();
}

}  // namespace laconic::image
