// An optimizer's step once more: what a parameter, or a second moment, must have become, from what is known of both steps.
//
// IEEE 754 single (and where said double) precision, every operation rounded on its own, in one of the orders that frameworks
// use; results are the same on every machine, and need no library function. NaNs come out as one NaN, since processors differ in
// which one they hand on. The encoder checks what a prediction is worth; nothing here has to be right for decoding to be exact.
#pragma once

#include <cstddef>
#include <cstdint>

namespace laconic::checkpoint {

// Scalars of an Adam step as they enter the arithmetic, so that no power has to be computed to decode.
struct AdamScalars {
    float decay = 1;       // 1 - lr * weight_decay (decoupled), else 1
    float step = 0;        // -lr / (1 - beta1^t)
    float correction = 1;  // sqrt(1 - beta2^t)
    float epsilon = 0;
    float beta1_rest = 0;  // 1 - beta1
    float beta2 = 0;
    float beta2_rest = 0;  // 1 - beta2
};

// Orders of the parameter's update, q = (step * m) / (sqrt(v) / correction + epsilon).
enum class AdamOrder : uint8_t {
    separate = 0,  // p * decay, rounded, + q: torch single-tensor and foreach
    fused = 1,     // fma(p, decay, q): torch's fused CPU kernel
    scaled = 2,    // p * decay, rounded, + m / (sqrt(v) / (correction * step) + epsilon / step): capturable
    count = 3,
};

// Orders of the second moment's update from the gradient g.
enum class MomentOrder : uint8_t {
    fused_square = 0,  // fma(beta2_rest * g, g, v * beta2)
    separate = 1,      // v * beta2 + (beta2_rest * g) * g
    fused_decay = 2,   // fma(v, beta2, (beta2_rest * g) * g)
    square_first = 3,  // fma(beta2_rest, g * g, v * beta2)
    count = 4,
};

struct SgdScalars {
    float step = 0;            // -lr
    float momentum = 0;        // of Nesterov's variant, which looks ahead
    float dampening_rest = 1;  // 1 - dampening
};

enum class SgdOrder : uint8_t {
    fused = 0,              // fma(buffer, step, p)
    separate = 1,           // p + buffer * step
    nesterov_fused = 2,     // fma(fma(buffer, momentum, g), step, p), g from the two buffers
    nesterov_separate = 3,  // p + (g + buffer * momentum) * step
    count = 4,
};

// All arrays: n fp32 elements, little-endian, of any alignment. *0: before the step, *1: after it.
void replay_adam(const uint8_t *p0, const uint8_t *m1, const uint8_t *v1, size_t n, const AdamScalars &s, AdamOrder order,
                 uint8_t *p1);
void replay_second_moment(const uint8_t *m0, const uint8_t *m1, const uint8_t *v0, size_t n, const AdamScalars &s,
                          MomentOrder order, uint8_t *v1);
void replay_sgd(const uint8_t *p0, const uint8_t *buffer0, const uint8_t *buffer1, size_t n, const SgdScalars &s, SgdOrder order,
                uint8_t *p1);
void scale(const uint8_t *x, size_t n, float factor, uint8_t *out);        // x * factor: where a moment goes without a gradient
void maximum(const uint8_t *a, const uint8_t *b, size_t n, uint8_t *out);  // of AMSGrad

// Several steps at once, or one of an unknown kind: Adam's direction u = m / (sqrt(v) + 1e-8) of both states, in shares.
struct StepShares {
    float now = 0, before = 0;
};
void replay_shares(const uint8_t *p0, const uint8_t *m0, const uint8_t *v0, const uint8_t *m1, const uint8_t *v1, size_t n,
                   const StepShares &shares, uint8_t *p1);  // p0 + (now * u1 + before * u0)

// The shares that come nearest to p1 (least squares over a sample), the same on every machine.
StepShares fit_shares(const uint8_t *p0, const uint8_t *p1, const uint8_t *m0, const uint8_t *v0, const uint8_t *m1,
                      const uint8_t *v1, size_t n);

// One context an element: how large a first moment m is beside the deviation sqrt(v), in half octaves, limited to 40 values.
void ratio_context(const uint8_t *m, const uint8_t *v, size_t n, uint8_t *contexts);

}  // namespace laconic::checkpoint
