// The loops of fast_kernels.h, written so that compilers turn them into vectors; included by one file for each instruction set.
#pragma once

#include <cstring>
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

// Vectors of one sample of each row of a group.
template <typename Sample>
struct Lanes;

template <>
struct Lanes<uint8_t> {
    using Vector [[gnu::vector_size(16)]] = uint8_t;
    static Vector low(Vector a, Vector b) {
        return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    }
    static Vector high(Vector a, Vector b) {
        return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
    // The last of `first`, then all but the last of `rest`.
    static Vector shifted(Vector first, Vector rest) {
        return __builtin_shufflevector(first, rest, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
    }
};

template <>
struct Lanes<uint16_t> {
    using Vector [[gnu::vector_size(16)]] = uint16_t;
    static Vector low(Vector a, Vector b) { return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
    static Vector high(Vector a, Vector b) { return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
    static Vector shifted(Vector first, Vector rest) { return __builtin_shufflevector(first, rest, 7, 8, 9, 10, 11, 12, 13, 14); }
};

template <typename Sample>
typename Lanes<Sample>::Vector load(const Sample *from) {
    typename Lanes<Sample>::Vector v;
    std::memcpy(&v, from, sizeof v);
    return v;
}

// Rows to columns and back: halves are interleaved as often as it takes.
template <typename Sample, typename Vector>
void transpose(Vector *v) {
    constexpr size_t n = kGroup<Sample>;
    for (size_t stride = 1; stride < n; stride *= 2) {
        Vector w[n];
        for (size_t i = 0; i < n / 2; ++i) {
            w[2 * i] = Lanes<Sample>::low(v[i], v[i + n / 2]);
            w[2 * i + 1] = Lanes<Sample>::high(v[i], v[i + n / 2]);
        }
        for (size_t i = 0; i < n; ++i) v[i] = w[i];
    }
}

// All rows of the group in step, each a sample behind the one above: every sample waits for the one before it, so a row alone
// would mostly wait. Step t is sample t - r of row r; what lies outside of the rows is of no consequence.
template <typename Sample>
void restore_rows(Sample *rows, size_t pitch, size_t n) {
    using Vector = typename Lanes<Sample>::Vector;
    constexpr size_t lanes = kGroup<Sample>;
    const Sample *const north = rows - pitch;
    Vector w = {}, nw = {};
    for (size_t begin = 0; begin < n + lanes - 1; begin += lanes) {
        Vector block[lanes];
        for (size_t r = 0; r < lanes; ++r) {
            const Vector codes = load(rows + r * pitch + begin - r);
            block[r] = (codes >> 1) ^ -(codes & 1);
        }
        transpose<Sample>(block);
        for (size_t t = 0; t < lanes; ++t) {
            const Vector above = Lanes<Sample>::shifted(load(north + begin + t - (lanes - 1)), w);
            if (begin == 0) {  // row t begins: left of it and above left is what is above
                w[t] = above[t];
                nw[t] = above[t];
            }
            const Vector least = w < above ? w : above, most = w < above ? above : w;
            Vector between = nw < least ? least : nw;
            between = between < most ? between : most;
            w = (w + above + block[t]) - between;
            nw = above;
            block[t] = w;
        }
        transpose<Sample>(block);
        for (size_t r = 0; r < lanes; ++r) std::memcpy(rows + r * pitch + begin - r, &block[r], sizeof block[r]);
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
constexpr RowKernels<Sample> kRows = {transform_row<Sample>, untransform_row<Sample>, residual_row<Sample>, restore_rows<Sample>};
constexpr ContextKernels kContextRows = {context_row, magnitude_row};

}  // namespace
}  // namespace laconic::image
