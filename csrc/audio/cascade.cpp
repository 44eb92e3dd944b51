#include "audio/cascade.h"

#include <algorithm>

#include "audio/cascade_impl.h"
#include "entropy/cpu.h"

namespace laconic::audio {
namespace {

struct ScalarLoops {
    static uint32_t dot(const int16_t *w, const int16_t *x, size_t n) {  // modulo 2^32
        uint32_t sum = 0;
        for (size_t i = 0; i < n; ++i) sum += static_cast<uint32_t>(int32_t{w[i]} * x[i]);
        return sum;
    }
    static void adapt(int16_t *w, const int16_t *x, int16_t gain, size_t n) {  // saturates
        for (size_t i = 0; i < n; ++i) {
            const int32_t y = w[i] + ((int32_t{x[i]} * gain + (1 << 14)) >> 15);
            w[i] = static_cast<int16_t>(std::clamp(y, -32768, 32767));
        }
    }
};

constexpr CascadeKernels kScalar{predict_with<ScalarLoops>, update_with<ScalarLoops>};

constexpr int32_t kRates[kStages] = {10737418, 107374182, 85899346, 107374182};  // 0.01, 0.1, 0.08, 0.1
constexpr int32_t kRoom = 2048;

}  // namespace

const CascadeKernels &cascade_kernels() {
#if defined(LACONIC_X86)
    if (active_isa() == Isa::avx512) return kCascadeAvx512;
    if (active_isa() == Isa::avx2) return kCascadeAvx2;
#endif
    return kScalar;
}

Cascade::Cascade(int scale) : state_{}, kernels_(cascade_kernels()), scale_(scale) {
    size_t size = 0;
    for (const size_t taps : kTaps) size += 2 * taps + kRoom;
    memory_.resize(size);
    int16_t *p = memory_.data();
    for (size_t k = 0; k < kStages; ++k) {
        Filter &f = state_.filters[k];
        f.taps = kTaps[k];
        f.rate = kRates[k];
        f.weights = p;
        f.begin = f.data = p + f.taps;
        f.room = kRoom;
        p += 2 * f.taps + kRoom;
        state_.mix[k] = 1 << 16;
    }
}

int16_t Cascade::scaled(int32_t value) const {
    const int64_t x = scale_ >= 0 ? int64_t{value} >> scale_ : int64_t{value} * (1 << -scale_);
    return static_cast<int16_t>(clamp16(x));
}

void Cascade::update(int32_t value) { kernels_.update(state_, scaled(value)); }

void Cascade::see_partner(int16_t value) { push(state_.filters[0], value); }

}  // namespace laconic::audio
