// The kernels of cascade.h over the loops `dot` and `adapt` of an instruction set; all in an anonymous namespace.
#pragma once

#include "audio/cascade.h"

namespace laconic::audio {
namespace {

constexpr int32_t kMost = 32767;

inline int32_t clamp16(int64_t x) { return static_cast<int32_t>(x > kMost ? kMost : x < -kMost ? -kMost : x); }

constexpr int kMixRate = 330;  // 2^-16, 0.005
constexpr int32_t kMixLimit = 4 << 16;
constexpr int kReciprocalBits = 30;

inline void push(Filter &f, int32_t value) {
    const int32_t oldest = f.data[0];
    f.energy += int64_t{value} * value - int64_t{oldest} * oldest;
    f.data[f.taps] = static_cast<int16_t>(value);
    ++f.data;
    if (--f.room == 0) {
        const size_t moved = static_cast<size_t>(f.data - f.begin);
        for (size_t i = 0; i < f.taps; ++i) f.begin[i] = f.data[i];
        f.data = f.begin;
        f.room = static_cast<int32_t>(moved);
    }
}

template <class Loops>
void predict_with(CascadeState &s) {
    int64_t mixed = 1 << 15;
    for (size_t k = 0; k < kStages; ++k) {
        Filter &f = s.filters[k];
        const auto sum = static_cast<int32_t>(Loops::dot(f.weights, f.data, f.taps));
        f.prediction = static_cast<int32_t>((int64_t{sum} + (1 << 14)) >> 15);
        mixed += int64_t{s.mix[k]} * f.prediction;
    }
    s.mixed = static_cast<int32_t>(mixed >> 16);
}

template <class Loops>
void update_with(CascadeState &s, int32_t value) {
    // The mix: a step of fixed length against the sign of the error, along the predictions.
    int64_t length = 16;
    for (const Filter &f : s.filters) length += f.prediction < 0 ? -int64_t{f.prediction} : f.prediction;
    const int64_t reciprocal = (int64_t{kMixRate} << kReciprocalBits) / length;
    const int64_t step = value > s.mixed ? reciprocal : value < s.mixed ? -reciprocal : 0;
    for (size_t k = 0; k < kStages; ++k) {
        const int64_t w = s.mix[k] + ((step * s.filters[k].prediction) >> kReciprocalBits);
        s.mix[k] = static_cast<int32_t>(w > kMixLimit ? kMixLimit : w < -kMixLimit ? -kMixLimit : w);
    }
    // Each stage learns from its own error, which is the target and the data of the next.
    int32_t target = value;
    for (size_t k = 0; k < kStages; ++k) {
        Filter &f = s.filters[k];
        const int32_t error = clamp16(int64_t{target} - f.prediction);
        const int64_t norm = f.energy + static_cast<int64_t>(f.taps * 64) + ((int64_t{error} * error) >> 3);
        const int32_t gain = clamp16(int64_t{f.rate} * error / norm);
        if (gain != 0) Loops::adapt(f.weights, f.data, static_cast<int16_t>(gain), f.taps);
        push(f, target);
        target = error;
    }
}

}  // namespace
}  // namespace laconic::audio
