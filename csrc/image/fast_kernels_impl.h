// The loops of fast_kernels.h, written so that compilers turn them into vectors; included by one file for each instruction set.
#pragma once

#include <type_traits>

#include "image/fast_kernels.h"

namespace laconic::image {
namespace {

template <typename Sample>
constexpr int kHalf = 1 << (8 * sizeof(Sample) - 1);

template <typename Sample>
using Signed = std::make_signed_t<Sample>;

template <typename Sample>
void transform_row(Transform t, const uint16_t *const *rgb, size_t n, Sample *const *out) {
    const uint16_t *const __restrict r = rgb[0], *const __restrict g = rgb[1], *const __restrict b = rgb[2];
    Sample *const __restrict o0 = out[0], *const __restrict o1 = out[1], *const __restrict o2 = out[2];
    constexpr int half = kHalf<Sample>;
    switch (t) {
        case Transform::none:
            for (size_t x = 0; x < n; ++x) {
                o0[x] = static_cast<Sample>(r[x]);
                o1[x] = static_cast<Sample>(g[x]);
                o2[x] = static_cast<Sample>(b[x]);
            }
            break;
        case Transform::green:
            for (size_t x = 0; x < n; ++x) {
                o0[x] = static_cast<Sample>(g[x]);
                o1[x] = static_cast<Sample>(r[x] - g[x] + half);
                o2[x] = static_cast<Sample>(b[x] - g[x] + half);
            }
            break;
        case Transform::average:
            for (size_t x = 0; x < n; ++x) {
                o0[x] = static_cast<Sample>(g[x]);
                o1[x] = static_cast<Sample>(r[x] - g[x] + half);
                o2[x] = static_cast<Sample>(b[x] - ((r[x] + g[x]) >> 1) + half);
            }
            break;
        case Transform::ycocg:
            for (size_t x = 0; x < n; ++x) {
                const Sample co = static_cast<Sample>(r[x] - b[x]);
                const Sample middle = static_cast<Sample>(b[x] + (static_cast<Signed<Sample>>(co) >> 1));
                const Sample cg = static_cast<Sample>(g[x] - middle);
                o0[x] = static_cast<Sample>(middle + (static_cast<Signed<Sample>>(cg) >> 1));
                o1[x] = static_cast<Sample>(co + half);
                o2[x] = static_cast<Sample>(cg + half);
            }
            break;
    }
}

template <typename Sample>
void untransform_row(Transform t, const Sample *const *in, size_t n, uint16_t *const *rgb) {
    uint16_t *const __restrict r = rgb[0], *const __restrict g = rgb[1], *const __restrict b = rgb[2];
    const Sample *const __restrict i0 = in[0], *const __restrict i1 = in[1], *const __restrict i2 = in[2];
    constexpr int half = kHalf<Sample>;
    switch (t) {
        case Transform::none:
            for (size_t x = 0; x < n; ++x) {
                r[x] = i0[x];
                g[x] = i1[x];
                b[x] = i2[x];
            }
            break;
        case Transform::green:
            for (size_t x = 0; x < n; ++x) {
                g[x] = i0[x];
                r[x] = static_cast<Sample>(i1[x] + i0[x] - half);
                b[x] = static_cast<Sample>(i2[x] + i0[x] - half);
            }
            break;
        case Transform::average:
            for (size_t x = 0; x < n; ++x) {
                const Sample red = static_cast<Sample>(i1[x] + i0[x] - half);
                g[x] = i0[x];
                r[x] = red;
                b[x] = static_cast<Sample>(i2[x] + ((red + i0[x]) >> 1) - half);
            }
            break;
        case Transform::ycocg:
            for (size_t x = 0; x < n; ++x) {
                const Sample co = static_cast<Sample>(i1[x] - half), cg = static_cast<Sample>(i2[x] - half);
                const Sample middle = static_cast<Sample>(i0[x] - (static_cast<Signed<Sample>>(cg) >> 1));
                const Sample blue = static_cast<Sample>(middle - (static_cast<Signed<Sample>>(co) >> 1));
                g[x] = static_cast<Sample>(cg + middle);
                b[x] = blue;
                r[x] = static_cast<Sample>(blue + co);
            }
            break;
    }
}

template <typename Sample>
uint64_t residual_row(const Sample *row, const Sample *north, size_t n, Sample *__restrict codes) {
    uint64_t sum = 0;
    // Blocks, so that sums fit the vector elements.
    for (size_t begin = 0; begin < n; begin += 128) {
        const size_t end = n - begin < 128 ? n : begin + 128;
        uint32_t part = 0;
        for (size_t x = begin; x < end; ++x) {
            using Wide = std::conditional_t<sizeof(Sample) == 1, int16_t, int32_t>;
            const Wide w = row[static_cast<ptrdiff_t>(x) - 1], above = north[x], nw = north[static_cast<ptrdiff_t>(x) - 1];
            const Wide low = w < above ? w : above, high = w < above ? above : w;
            const Wide plane = static_cast<Wide>(w + above - nw);
            const Wide p = plane < low ? low : plane > high ? high : plane;
            const auto e = static_cast<Signed<Sample>>(static_cast<Sample>(row[x] - p));
            const auto code =
                static_cast<Sample>(static_cast<Sample>(e * 2) ^ static_cast<Sample>(e >> (8 * sizeof(Sample) - 1)));
            codes[x] = code;
            part += code;
        }
        sum += part;
    }
    return sum;
}

// A sample of each plane in one vector: every sample waits for the one before it, so a plane alone would mostly wait.
using Four [[gnu::vector_size(16)]] = int32_t;

inline Four smaller(Four a, Four b) { return a < b ? a : b; }
inline Four larger(Four a, Four b) { return a < b ? b : a; }

template <typename Sample>
void predict_back_row(Sample *const *rows, const Sample *const *norths, const Sample *const *codes, size_t planes, size_t n) {
    constexpr size_t kBlock = 64;
    Four north[kBlock], error[kBlock], value[kBlock];
    // Absent planes repeat the first.
    const auto plane = [&](size_t p) { return p < planes ? p : 0; };
    const Sample *const n0 = norths[0], *const n1 = norths[plane(1)], *const n2 = norths[plane(2)], *const n3 = norths[plane(3)];
    const Sample *const c0 = codes[0], *const c1 = codes[plane(1)], *const c2 = codes[plane(2)], *const c3 = codes[plane(3)];
    Four w = {rows[0][-1], rows[plane(1)][-1], rows[plane(2)][-1], rows[plane(3)][-1]}, nw = {n0[-1], n1[-1], n2[-1], n3[-1]};
    constexpr int32_t kMask = static_cast<Sample>(-1);
    const Four mask = {kMask, kMask, kMask, kMask};
    for (size_t begin = 0; begin < n; begin += kBlock) {
        const size_t count = n - begin < kBlock ? n - begin : kBlock;
        for (size_t x = 0; x < count; ++x) {
            north[x] = Four{n0[begin + x], n1[begin + x], n2[begin + x], n3[begin + x]};
            error[x] = Four{c0[begin + x], c1[begin + x], c2[begin + x], c3[begin + x]};
        }
        for (size_t x = 0; x < count; ++x) error[x] = (error[x] >> 1) ^ -(error[x] & 1);
        for (size_t x = 0; x < count; ++x) {
            const Four above = north[x];
            const Four prediction = larger(smaller(w + (above - nw), larger(w, above)), smaller(w, above));
            w = (prediction + error[x]) & mask;
            nw = above;
            value[x] = w;
        }
        for (size_t p = 0; p < planes; ++p) {
            Sample *const __restrict row = rows[p] + begin;
            const int32_t *const from = reinterpret_cast<const int32_t *>(value) + p;
            for (size_t x = 0; x < count; ++x) row[x] = static_cast<Sample>(from[4 * x]);
        }
    }
}

constexpr int kAloneSteps[kAlone - 1] = {1, 4, 8, 13, 19, 28, 40, 60, 100};
constexpr int kLevelSteps[kLevels - 1] = {3, 10, 28};
// Of wide planes, whose magnitudes are tokens.
constexpr int kAloneStepsWide[kAlone - 1] = {4, 14, 28, 44, 62, 82, 105, 130, 160};
constexpr int kLevelStepsWide[kLevels - 1] = {20, 55, 100};

template <unsigned N>
void levels(const int *steps, const int16_t *s, size_t n, uint8_t scale, const uint8_t *add, uint8_t *out) {
    int16_t t[N];
    for (unsigned k = 0; k < N; ++k) t[k] = static_cast<int16_t>(steps[k]);
    for (size_t x = 0; x < n; ++x) {
        int16_t level = 0;
        for (unsigned k = 0; k < N; ++k) level = static_cast<int16_t>(level + (s[x] >= t[k] ? 1 : 0));
        out[x] = static_cast<uint8_t>(level * scale + (add == nullptr ? 0 : add[x]));
    }
}

void context_row(const uint8_t *n1, const uint8_t *n2, const uint8_t *q, size_t n, bool wide, uint8_t *contexts) {
    constexpr size_t kBlock = 256;
    alignas(64) int16_t s[kBlock];
    alignas(64) uint8_t first[kBlock];
    for (size_t begin = 0; begin < n; begin += kBlock) {
        const size_t count = n - begin < kBlock ? n - begin : kBlock;
        const uint8_t *const a = n1 + begin, *const aa = n2 + begin;
        for (size_t x = 0; x < count; ++x)
            s[x] = static_cast<int16_t>(2 * a[x] + a[static_cast<ptrdiff_t>(x) - 1] + a[x + 1] + aa[x]);
        if (q == nullptr) {
            levels<kAlone - 1>(wide ? kAloneStepsWide : kAloneSteps, s, count, 1, nullptr, contexts + begin);
            continue;
        }
        const int *const steps = wide ? kLevelStepsWide : kLevelSteps;
        levels<kLevels - 1>(steps, s, count, 1, nullptr, first);
        for (size_t x = 0; x < count; ++x) first[x] = static_cast<uint8_t>(first[x] + kAlone);
        const uint8_t *const b = q + begin;
        for (size_t x = 0; x < count; ++x) s[x] = static_cast<int16_t>(2 * b[x] + b[static_cast<ptrdiff_t>(x) - 1] + b[x + 1]);
        levels<kLevels - 1>(steps, s, count, kLevels, first, contexts + begin);
    }
}

void magnitude_row(const uint8_t *codes, size_t n, uint8_t *magnitudes) {
    for (size_t x = 0; x < n; ++x) magnitudes[x] = static_cast<uint8_t>((codes[x] + 1) >> 1);
}

template <typename Sample>
constexpr RowKernels<Sample> kRows = {transform_row<Sample>, untransform_row<Sample>, residual_row<Sample>,
                                      predict_back_row<Sample>};
constexpr ContextKernels kContextRows = {context_row, magnitude_row};

}  // namespace
}  // namespace laconic::image
