#include "float/integers.h"

#include <algorithm>

#include "entropy/histogram.h"
#include "float/order0.h"
#include "float/planes_impl.h"

namespace laconic::floats {

namespace {

constexpr size_t kRuns = 16, kLength = 256;  // of a sample; a run begins with a step from its neighbour
constexpr unsigned kGain = 2;                // percent that another form must be smaller than the plain one

// f<T, Swap>() for an integer format.
template <class F>
void with_integers(const ElementFormat &format, F &&f) {
    with_format(format, false, [&]<class T, bool D, bool S, unsigned R>() { f.template operator()<T, S>(); });
}

template <class T, bool Swap>
void transform_loop(const uint8_t *raw, size_t n, IntegerForm form, T before, uint8_t *y) {
    for (size_t i = 0; i < n; ++i) {
        const T x = load<T>(raw + i * sizeof(T), Swap);
        if (form == IntegerForm::plain)
            store<T>(y + i * sizeof(T), x, false);
        else
            store<T>(y + i * sizeof(T), zigzag(static_cast<T>(form == IntegerForm::steps ? x - before : x)), false);
        before = x;
    }
}

// The order-0 cost of the planes of a sample in a form.
template <class T, bool Swap>
uint64_t sampled_cost(const uint8_t *raw, size_t n, IntegerForm form) {
    T y[kRuns * kLength];
    size_t taken = 0;
    const size_t runs = n <= kRuns * kLength ? 1 : kRuns, length = runs == 1 ? n : kLength;
    for (size_t run = 0; run < runs; ++run) {
        const size_t first = runs == 1 ? 0 : run * ((n - length) / (runs - 1));
        const T before = first == 0 ? T{0} : load<T>(raw + (first - 1) * sizeof(T), Swap);
        transform_loop<T, Swap>(raw + first * sizeof(T), length, form, before, reinterpret_cast<uint8_t *>(y + taken));
        taken += length;
    }
    uint64_t cost = 0;
    for (unsigned k = 0; k < sizeof(T); ++k) {
        entropy::ByteCounts counts{};
        for (size_t i = 0; i < taken; ++i) ++counts[static_cast<uint8_t>(y[i] >> (8 * k))];
        cost += order0_cost(counts, static_cast<uint32_t>(taken));
    }
    return cost;
}

}  // namespace

void transform_integers(const uint8_t *raw, size_t n, const ElementFormat &format, IntegerForm form, uint8_t *y) {
    with_integers(format, [&]<class T, bool S>() { transform_loop<T, S>(raw, n, form, T{0}, y); });
}

void restore_integers(uint8_t *raw, size_t n, const ElementFormat &format, IntegerForm form) {
    with_integers(format, [&]<class T, bool S>() {
        T before = 0;
        for (size_t i = 0; i < n; ++i) {
            T x = unzigzag(load<T>(raw + i * sizeof(T), S));
            if (form == IntegerForm::steps) before = x = static_cast<T>(x + before);
            store<T>(raw + i * sizeof(T), x, S);
        }
    });
}

IntegerForm choose_integer_form(const uint8_t *raw, size_t n, const ElementFormat &format) {
    IntegerForm best = IntegerForm::plain;
    with_integers(format, [&]<class T, bool S>() {
        uint64_t least = sampled_cost<T, S>(raw, n, best) / 100 * (100 - kGain);
        for (const IntegerForm form : {IntegerForm::magnitudes, IntegerForm::steps}) {
            const uint64_t cost = sampled_cost<T, S>(raw, n, form);
            if (cost < least) least = cost, best = form;
        }
    });
    return best;
}

}  // namespace laconic::floats
