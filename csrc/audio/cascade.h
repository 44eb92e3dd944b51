// A cascade of adaptive filters that predicts a channel's residual from what came before it in this channel and another: the
// second predictor of level `default`, after the forward-adaptive one has whitened the signal.
//
// Normalised LMS filters (B. Widrow, M. E. Hoff, "Adaptive switching circuits", 1960; normalised: J. Nagumo, A. Noda, 1967) in
// 16-bit weights and data with 32-bit sums, as in Monkey's Audio: every operation has a defined width and saturation, so that all
// instruction sets agree to the bit. Each stage predicts what the stages before it left; the final prediction weights the
// stages' outputs with weights that a sign-LMS rule learns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace laconic::audio {

constexpr size_t kStages = 4;
constexpr size_t kTaps[kStages] = {32, 256, 32, 16};  // the first: 16 of each channel, in turns; all multiples of 16

struct Filter {
    int16_t *weights;  // 2^-15
    int16_t *data;     // the newest `taps` values, oldest first
    size_t taps;
    int64_t energy;  // sum of squares of data
    int32_t rate;    // step size in 2^-30
    int32_t prediction;
    int32_t room;  // values that can be pushed before the window must move back
    int16_t *begin;
};

// Plain data that the kernels of all instruction sets work on.
struct CascadeState {
    Filter filters[kStages];
    int32_t mix[kStages];  // 2^-16
    int32_t mixed;         // the prediction, in the scale of the filters
};

struct CascadeKernels {
    void (*predict)(CascadeState &state);                // sets mixed and the filters' predictions
    void (*update)(CascadeState &state, int32_t value);  // learns from the value, which lies in -32767 .. 32767
};

const CascadeKernels &cascade_kernels();
#if defined(LACONIC_X86)
extern const CascadeKernels kCascadeAvx2, kCascadeAvx512;
#endif

// The cascade of one channel. `scale`: values are multiplied by 2^-scale for the filters.
class Cascade {
public:
    explicit Cascade(int scale);
    Cascade(const Cascade &) = delete;
    Cascade &operator=(const Cascade &) = delete;

    int32_t predict() {
        kernels_.predict(state_);
        const int64_t p = state_.mixed;
        return static_cast<int32_t>(scale_ >= 0 ? p * (int64_t{1} << scale_) : (p + (int64_t{1} << (-scale_ - 1))) >> -scale_);
    }
    void update(int32_t value);
    void see_partner(int16_t value);  // a value of the other channel, as its own filters see it
    int16_t scaled(int32_t value) const;

private:
    CascadeState state_;
    std::vector<int16_t> memory_;
    const CascadeKernels &kernels_;
    int scale_;
};

constexpr int kMinScale = -7, kMaxScale = 24;

}  // namespace laconic::audio
