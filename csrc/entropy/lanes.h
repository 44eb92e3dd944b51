// Lanes of 64 bits: one scalar lane, four (AVX2) or eight (AVX-512), with the same operations, so that a kernel is written once.
// Everything is in an unnamed namespace: what one file compiles with its flags must not be merged with another file's.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "entropy/interval.h"

namespace laconic {
namespace {

// Adding 2^52 to an integer below 2^52 by setting the exponent makes it a double exactly: the way to and from doubles that every
// instruction set has.
constexpr std::uint64_t kTwo52Bits = 0x4330000000000000u;
constexpr double kTwo52 = 4503599627370496.0;

// Floats of half the width, for guesses.
struct Rough1 {
    float v;
    static Rough1 constant(double x) { return {static_cast<float>(x)}; }
    static Rough1 clamp(Rough1 x, Rough1 low, Rough1 high) { return x.v > low.v ? (x.v < high.v ? x : high) : low; }
    static Rough1 root(Rough1 x) { return {__builtin_sqrtf(x.v)}; }
    // By the sign of x.
    static Rough1 choose(Rough1 x, Rough1 positive, Rough1 negative) { return x.v < 0 ? negative : positive; }
    static bool any_above(Rough1 a, Rough1 b) { return a.v > b.v; }
    static Rough1 smaller(Rough1 a, Rough1 b) { return a.v < b.v ? a : b; }
    static Rough1 greater(Rough1 a, Rough1 b) { return a.v > b.v ? a : b; }
    static Rough1 fused(Rough1 a, Rough1 b, Rough1 c) { return {a.v * b.v + c.v}; }
    friend Rough1 operator+(Rough1 a, Rough1 b) { return {a.v + b.v}; }
    friend Rough1 operator-(Rough1 a, Rough1 b) { return {a.v - b.v}; }
    friend Rough1 operator*(Rough1 a, Rough1 b) { return {a.v * b.v}; }
    friend Rough1 operator/(Rough1 a, Rough1 b) { return {a.v / b.v}; }
};

struct Rough2 {
    Rough1 a, b;
    static Rough2 constant(double x) { return {Rough1::constant(x), Rough1::constant(x)}; }
    static Rough2 clamp(Rough2 x, Rough2 low, Rough2 high) {
        return {Rough1::clamp(x.a, low.a, high.a), Rough1::clamp(x.b, low.b, high.b)};
    }
    static Rough2 root(Rough2 x) { return {Rough1::root(x.a), Rough1::root(x.b)}; }
    static Rough2 choose(Rough2 x, Rough2 positive, Rough2 negative) {
        return {Rough1::choose(x.a, positive.a, negative.a), Rough1::choose(x.b, positive.b, negative.b)};
    }
    static bool any_above(Rough2 x, Rough2 y) { return Rough1::any_above(x.a, y.a) || Rough1::any_above(x.b, y.b); }
    static Rough2 smaller(Rough2 x, Rough2 y) { return {Rough1::smaller(x.a, y.a), Rough1::smaller(x.b, y.b)}; }
    static Rough2 greater(Rough2 x, Rough2 y) { return {Rough1::greater(x.a, y.a), Rough1::greater(x.b, y.b)}; }
    static Rough2 fused(Rough2 x, Rough2 y, Rough2 z) { return {Rough1::fused(x.a, y.a, z.a), Rough1::fused(x.b, y.b, z.b)}; }
    friend Rough2 operator+(Rough2 x, Rough2 y) { return {x.a + y.a, x.b + y.b}; }
    friend Rough2 operator-(Rough2 x, Rough2 y) { return {x.a - y.a, x.b - y.b}; }
    friend Rough2 operator*(Rough2 x, Rough2 y) { return {x.a * y.a, x.b * y.b}; }
    friend Rough2 operator/(Rough2 x, Rough2 y) { return {x.a / y.a, x.b / y.b}; }
    static Rough2 join(Rough1 x, Rough1 y) { return {x, y}; }
    Rough1 low() const { return a; }
    Rough1 high() const { return b; }
};

#if defined(__AVX2__)
struct Rough4 {
    __m128 v;
    static Rough4 constant(double x) { return {_mm_set1_ps(static_cast<float>(x))}; }
    static Rough4 clamp(Rough4 x, Rough4 low, Rough4 high) { return {_mm_min_ps(_mm_max_ps(x.v, low.v), high.v)}; }
    static Rough4 root(Rough4 x) { return {_mm_sqrt_ps(x.v)}; }
    static Rough4 choose(Rough4 x, Rough4 positive, Rough4 negative) { return {_mm_blendv_ps(positive.v, negative.v, x.v)}; }
    static bool any_above(Rough4 a, Rough4 b) { return _mm_movemask_ps(_mm_cmpgt_ps(a.v, b.v)) != 0; }
    static Rough4 smaller(Rough4 a, Rough4 b) { return {_mm_min_ps(a.v, b.v)}; }
    static Rough4 greater(Rough4 a, Rough4 b) { return {_mm_max_ps(a.v, b.v)}; }
#if defined(__FMA__)
    static Rough4 fused(Rough4 a, Rough4 b, Rough4 c) { return {_mm_fmadd_ps(a.v, b.v, c.v)}; }
#else
    static Rough4 fused(Rough4 a, Rough4 b, Rough4 c) { return a * b + c; }
#endif
    friend Rough4 operator+(Rough4 a, Rough4 b) { return {_mm_add_ps(a.v, b.v)}; }
    friend Rough4 operator-(Rough4 a, Rough4 b) { return {_mm_sub_ps(a.v, b.v)}; }
    friend Rough4 operator*(Rough4 a, Rough4 b) { return {_mm_mul_ps(a.v, b.v)}; }
    friend Rough4 operator/(Rough4 a, Rough4 b) { return {_mm_div_ps(a.v, b.v)}; }
};

struct Rough8 {
    __m256 v;
    static Rough8 constant(double x) { return {_mm256_set1_ps(static_cast<float>(x))}; }
    static Rough8 clamp(Rough8 x, Rough8 low, Rough8 high) { return {_mm256_min_ps(_mm256_max_ps(x.v, low.v), high.v)}; }
    static Rough8 root(Rough8 x) { return {_mm256_sqrt_ps(x.v)}; }
    static Rough8 choose(Rough8 x, Rough8 positive, Rough8 negative) { return {_mm256_blendv_ps(positive.v, negative.v, x.v)}; }
    static bool any_above(Rough8 a, Rough8 b) { return _mm256_movemask_ps(_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)) != 0; }
    static Rough8 smaller(Rough8 a, Rough8 b) { return {_mm256_min_ps(a.v, b.v)}; }
    static Rough8 greater(Rough8 a, Rough8 b) { return {_mm256_max_ps(a.v, b.v)}; }
#if defined(__FMA__)
    static Rough8 fused(Rough8 a, Rough8 b, Rough8 c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
#else
    static Rough8 fused(Rough8 a, Rough8 b, Rough8 c) { return a * b + c; }
#endif
    friend Rough8 operator+(Rough8 a, Rough8 b) { return {_mm256_add_ps(a.v, b.v)}; }
    friend Rough8 operator-(Rough8 a, Rough8 b) { return {_mm256_sub_ps(a.v, b.v)}; }
    friend Rough8 operator*(Rough8 a, Rough8 b) { return {_mm256_mul_ps(a.v, b.v)}; }
    friend Rough8 operator/(Rough8 a, Rough8 b) { return {_mm256_div_ps(a.v, b.v)}; }
    static Rough8 join(Rough4 a, Rough4 b) { return {_mm256_set_m128(b.v, a.v)}; }
    Rough4 low() const { return {_mm256_castps256_ps128(v)}; }
    Rough4 high() const { return {_mm256_extractf128_ps(v, 1)}; }
};
#endif

#if defined(__AVX512F__)
struct Rough16 {
    __m512 v;
    static Rough16 constant(double x) { return {_mm512_set1_ps(static_cast<float>(x))}; }
    static Rough16 clamp(Rough16 x, Rough16 low, Rough16 high) { return {_mm512_min_ps(_mm512_max_ps(x.v, low.v), high.v)}; }
    static Rough16 root(Rough16 x) { return {_mm512_sqrt_ps(x.v)}; }
    static Rough16 choose(Rough16 x, Rough16 positive, Rough16 negative) {
        return {_mm512_mask_blend_ps(_mm512_movepi32_mask(_mm512_castps_si512(x.v)), positive.v, negative.v)};
    }
    static bool any_above(Rough16 a, Rough16 b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ) != 0; }
    static Rough16 smaller(Rough16 a, Rough16 b) { return {_mm512_min_ps(a.v, b.v)}; }
    static Rough16 greater(Rough16 a, Rough16 b) { return {_mm512_max_ps(a.v, b.v)}; }
    static Rough16 fused(Rough16 a, Rough16 b, Rough16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
    friend Rough16 operator+(Rough16 a, Rough16 b) { return {_mm512_add_ps(a.v, b.v)}; }
    friend Rough16 operator-(Rough16 a, Rough16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
    friend Rough16 operator*(Rough16 a, Rough16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
    friend Rough16 operator/(Rough16 a, Rough16 b) { return {_mm512_div_ps(a.v, b.v)}; }
    static Rough16 join(Rough8 a, Rough8 b) { return {_mm512_insertf32x8(_mm512_castps256_ps512(a.v), b.v, 1)}; }
    Rough8 low() const { return {_mm512_castps512_ps256(v)}; }
    Rough8 high() const { return {_mm512_extractf32x8_ps(v, 1)}; }
};
#endif

struct Lanes1 {
    static constexpr int width = 1;
    using Mask = bool;
    using Rough = Rough1;
    using TwiceRough = Rough2;
    std::int64_t v;

    static Lanes1 set(std::int64_t x) { return {x}; }
    static Lanes1 load(const std::int64_t *p) { return {*p}; }
    static Lanes1 load_u32(const std::uint32_t *p) { return {static_cast<std::int64_t>(*p)}; }
    static Lanes1 load_u8(const std::uint8_t *p) { return {*p}; }
    // The bits of doubles.
    static Lanes1 load_double(const float *p) { return {std::bit_cast<std::int64_t>(static_cast<double>(*p))}; }
    static Lanes1 load_double(const double *p) { return {std::bit_cast<std::int64_t>(*p)}; }
    static Lanes1 bits(double x) { return {std::bit_cast<std::int64_t>(x)}; }
    void store(std::int64_t *p) const { *p = v; }
    void store_intervals(Interval *p) const { *p = {static_cast<std::uint32_t>(v), static_cast<std::uint32_t>(v >> 32)}; }

    friend Lanes1 operator+(Lanes1 a, Lanes1 b) { return {a.v + b.v}; }
    friend Lanes1 operator-(Lanes1 a, Lanes1 b) { return {a.v - b.v}; }
    friend Lanes1 operator&(Lanes1 a, Lanes1 b) { return {a.v & b.v}; }
    friend Lanes1 operator|(Lanes1 a, Lanes1 b) { return {a.v | b.v}; }
    template <int k>
    Lanes1 shl() const {
        return {static_cast<std::int64_t>(static_cast<std::uint64_t>(v) << k)};
    }
    template <int k>
    Lanes1 shr() const {
        return {static_cast<std::int64_t>(static_cast<std::uint64_t>(v) >> k)};
    }
    template <int k>
    Lanes1 sra() const {
        return {v >> k};
    }
    // Product of the low halves, unsigned.
    static Lanes1 multiply(Lanes1 a, Lanes1 b) {
        return {static_cast<std::int64_t>(std::uint64_t{static_cast<std::uint32_t>(a.v)} * static_cast<std::uint32_t>(b.v))};
    }
    static Mask greater(Lanes1 a, Lanes1 b) { return a.v > b.v; }
    static Lanes1 minimum(Lanes1 a, Lanes1 b) { return a.v < b.v ? a : b; }
    static Lanes1 maximum(Lanes1 a, Lanes1 b) { return a.v > b.v ? a : b; }
    Lanes1 magnitude() const { return {v < 0 ? -v : v}; }
    static Lanes1 select(Mask m, Lanes1 yes, Lanes1 no) { return m ? yes : no; }
    static bool any(Mask m) { return m; }
    static Mask opposite(Mask a) { return !a; }
    static Mask either(Mask a, Mask b) { return a || b; }
    static Lanes1 add_where(Mask m, Lanes1 x, Lanes1 y) { return {x.v + (y.v & -std::int64_t{m})}; }
    // As a double, exactly, for 0 <= v < 2^52; its bits; and from a double x, 0 <= x < 2^51, to one of its neighbours.
    using Real = double;
    Real real() const { return static_cast<double>(v); }
    Lanes1 double_bits() const { return {std::bit_cast<std::int64_t>(real())}; }
    Real as_double() const { return std::bit_cast<double>(v); }
    static Lanes1 near(Real x) { return {static_cast<std::int64_t>(x)}; }
    static Real constant(double x) { return x; }
    // Of |v| < 2^31, to the nearest float and, without its fraction, back.
    Rough rough() const { return {static_cast<float>(v)}; }
    static Lanes1 near(Rough x) { return {static_cast<std::int32_t>(x.v)}; }
    static Real clamp(Real x, Real low, Real high) { return x > low ? (x < high ? x : high) : low; }
    static Real smaller(Real a, Real b) { return a < b ? a : b; }
    static Lanes1 look_up(const std::uint64_t *table, Lanes1 index) { return {static_cast<std::int64_t>(table[index.v])}; }
    static Lanes1 look_up_16(const std::uint64_t *table, Lanes1 index) { return look_up(table, index); }  // 16 entries
    // table[index] | table[index + 1] << 32
    static Lanes1 look_up_pair(const std::uint32_t *table, Lanes1 index) {
        std::int64_t pair;
        std::memcpy(&pair, table + index.v, 8);
        return {pair};
    }
};

#if defined(__AVX2__) && !defined(__AVX512F__)
struct Lanes4 {
    static constexpr int width = 4;
    using Mask = __m256i;
    using Rough = Rough4;
    using TwiceRough = Rough8;
    __m256i v;

    struct Real {
        __m256d v;
        friend Real operator+(Real a, Real b) { return {_mm256_add_pd(a.v, b.v)}; }
        friend Real operator-(Real a, Real b) { return {_mm256_sub_pd(a.v, b.v)}; }
        friend Real operator*(Real a, Real b) { return {_mm256_mul_pd(a.v, b.v)}; }
        friend Real operator/(Real a, Real b) { return {_mm256_div_pd(a.v, b.v)}; }
    };
    static Lanes4 bits(Real x) { return {_mm256_castpd_si256(x.v)}; }
    static Lanes4 set(std::int64_t x) { return {_mm256_set1_epi64x(x)}; }
    static Lanes4 load(const std::int64_t *p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p))}; }
    static Lanes4 load_u32(const std::uint32_t *p) {
        return {_mm256_cvtepu32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p)))};
    }
    static Lanes4 load_u8(const std::uint8_t *p) {
        int four;
        std::memcpy(&four, p, 4);
        return {_mm256_cvtepu8_epi64(_mm_cvtsi32_si128(four))};
    }
    static Lanes4 load_double(const float *p) { return bits({_mm256_cvtps_pd(_mm_loadu_ps(p))}); }
    static Lanes4 load_double(const double *p) { return bits({_mm256_loadu_pd(p)}); }
    void store(std::int64_t *p) const { _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), v); }
    void store_intervals(Interval *p) const { _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), v); }

    friend Lanes4 operator+(Lanes4 a, Lanes4 b) { return {_mm256_add_epi64(a.v, b.v)}; }
    friend Lanes4 operator-(Lanes4 a, Lanes4 b) { return {_mm256_sub_epi64(a.v, b.v)}; }
    friend Lanes4 operator&(Lanes4 a, Lanes4 b) { return {_mm256_and_si256(a.v, b.v)}; }
    friend Lanes4 operator|(Lanes4 a, Lanes4 b) { return {_mm256_or_si256(a.v, b.v)}; }
    template <int k>
    Lanes4 shl() const {
        return {_mm256_slli_epi64(v, k)};
    }
    template <int k>
    Lanes4 shr() const {
        return {_mm256_srli_epi64(v, k)};
    }
    template <int k>
    Lanes4 sra() const {
        const __m256i sign = _mm256_set1_epi64x(std::int64_t{1} << (63 - k));
        return {_mm256_sub_epi64(_mm256_xor_si256(_mm256_srli_epi64(v, k), sign), sign)};
    }
    static Lanes4 multiply(Lanes4 a, Lanes4 b) { return {_mm256_mul_epu32(a.v, b.v)}; }
    static Mask greater(Lanes4 a, Lanes4 b) { return _mm256_cmpgt_epi64(a.v, b.v); }
    static Lanes4 minimum(Lanes4 a, Lanes4 b) { return select(greater(a, b), b, a); }
    static Lanes4 maximum(Lanes4 a, Lanes4 b) { return select(greater(a, b), a, b); }
    Lanes4 magnitude() const {
        const Mask negative = _mm256_cmpgt_epi64(_mm256_setzero_si256(), v);
        return {_mm256_sub_epi64(_mm256_xor_si256(v, negative), negative)};
    }
    static Lanes4 select(Mask m, Lanes4 yes, Lanes4 no) { return {_mm256_blendv_epi8(no.v, yes.v, m)}; }
    static bool any(Mask m) { return _mm256_movemask_epi8(m) != 0; }
    static Mask opposite(Mask a) { return _mm256_xor_si256(a, _mm256_set1_epi64x(-1)); }
    static Mask either(Mask a, Mask b) { return _mm256_or_si256(a, b); }
    static Lanes4 add_where(Mask m, Lanes4 x, Lanes4 y) { return {_mm256_add_epi64(x.v, _mm256_and_si256(y.v, m))}; }
    Real real() const {
        const __m256i biased = _mm256_or_si256(v, _mm256_set1_epi64x(static_cast<std::int64_t>(kTwo52Bits)));
        return {_mm256_sub_pd(_mm256_castsi256_pd(biased), _mm256_set1_pd(kTwo52))};
    }
    Lanes4 double_bits() const { return {_mm256_castpd_si256(real().v)}; }
    Real as_double() const { return {_mm256_castsi256_pd(v)}; }
    static Lanes4 near(Real x) {
        const __m256d biased = _mm256_add_pd(x.v, _mm256_set1_pd(kTwo52));
        return {_mm256_xor_si256(_mm256_castpd_si256(biased), _mm256_set1_epi64x(static_cast<std::int64_t>(kTwo52Bits)))};
    }
    static Real constant(double x) { return {_mm256_set1_pd(x)}; }
    Rough rough() const {
        const __m256i low = _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
        return {_mm_cvtepi32_ps(_mm256_castsi256_si128(low))};
    }
    static Lanes4 near(Rough x) { return {_mm256_cvtepi32_epi64(_mm_cvttps_epi32(x.v))}; }
    static Real clamp(Real x, Real low, Real high) { return {_mm256_min_pd(_mm256_max_pd(x.v, low.v), high.v)}; }
    static Real smaller(Real a, Real b) { return {_mm256_min_pd(a.v, b.v)}; }
    static Lanes4 look_up(const std::uint64_t *table, Lanes4 index) {
        return {_mm256_i64gather_epi64(reinterpret_cast<const long long *>(table), index.v, 8)};
    }
    static Lanes4 look_up_16(const std::uint64_t *table, Lanes4 index) { return look_up(table, index); }
    static Lanes4 look_up_pair(const std::uint32_t *table, Lanes4 index) {
        return {_mm256_i64gather_epi64(reinterpret_cast<const long long *>(table), index.v, 4)};
    }
};
#endif

#if defined(__AVX512F__)
struct Lanes8 {
    static constexpr int width = 8;
    using Mask = __mmask8;
    using Rough = Rough8;
    using TwiceRough = Rough16;
    __m512i v;

    struct Real {
        __m512d v;
        friend Real operator+(Real a, Real b) { return {_mm512_add_pd(a.v, b.v)}; }
        friend Real operator-(Real a, Real b) { return {_mm512_sub_pd(a.v, b.v)}; }
        friend Real operator*(Real a, Real b) { return {_mm512_mul_pd(a.v, b.v)}; }
        friend Real operator/(Real a, Real b) { return {_mm512_div_pd(a.v, b.v)}; }
    };
    static Lanes8 bits(Real x) { return {_mm512_castpd_si512(x.v)}; }
    static Lanes8 set(std::int64_t x) { return {_mm512_set1_epi64(x)}; }
    static Lanes8 load(const std::int64_t *p) { return {_mm512_loadu_si512(p)}; }
    static Lanes8 load_u32(const std::uint32_t *p) {
        return {_mm512_cvtepu32_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)))};
    }
    static Lanes8 load_u8(const std::uint8_t *p) {
        return {_mm512_cvtepu8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(p)))};
    }
    static Lanes8 load_double(const float *p) { return bits({_mm512_cvtps_pd(_mm256_loadu_ps(p))}); }
    static Lanes8 load_double(const double *p) { return bits({_mm512_loadu_pd(p)}); }
    void store(std::int64_t *p) const { _mm512_storeu_si512(p, v); }
    void store_intervals(Interval *p) const { _mm512_storeu_si512(p, v); }

    friend Lanes8 operator+(Lanes8 a, Lanes8 b) { return {_mm512_add_epi64(a.v, b.v)}; }
    friend Lanes8 operator-(Lanes8 a, Lanes8 b) { return {_mm512_sub_epi64(a.v, b.v)}; }
    friend Lanes8 operator&(Lanes8 a, Lanes8 b) { return {_mm512_and_si512(a.v, b.v)}; }
    friend Lanes8 operator|(Lanes8 a, Lanes8 b) { return {_mm512_or_si512(a.v, b.v)}; }
    template <int k>
    Lanes8 shl() const {
        return {_mm512_slli_epi64(v, k)};
    }
    template <int k>
    Lanes8 shr() const {
        return {_mm512_srli_epi64(v, k)};
    }
    template <int k>
    Lanes8 sra() const {
        return {_mm512_srai_epi64(v, k)};
    }
    static Lanes8 multiply(Lanes8 a, Lanes8 b) { return {_mm512_mul_epu32(a.v, b.v)}; }
    static Mask greater(Lanes8 a, Lanes8 b) { return _mm512_cmpgt_epi64_mask(a.v, b.v); }
    static Lanes8 minimum(Lanes8 a, Lanes8 b) { return {_mm512_min_epi64(a.v, b.v)}; }
    static Lanes8 maximum(Lanes8 a, Lanes8 b) { return {_mm512_max_epi64(a.v, b.v)}; }
    Lanes8 magnitude() const { return {_mm512_abs_epi64(v)}; }
    static Lanes8 select(Mask m, Lanes8 yes, Lanes8 no) { return {_mm512_mask_blend_epi64(m, no.v, yes.v)}; }
    static bool any(Mask m) { return m != 0; }
    static Mask opposite(Mask a) { return static_cast<Mask>(~a); }
    static Mask either(Mask a, Mask b) { return static_cast<Mask>(a | b); }
    static Lanes8 add_where(Mask m, Lanes8 x, Lanes8 y) { return {_mm512_mask_add_epi64(x.v, m, x.v, y.v)}; }
    Real real() const { return {_mm512_cvtepi64_pd(v)}; }
    Lanes8 double_bits() const { return {_mm512_castpd_si512(real().v)}; }
    Real as_double() const { return {_mm512_castsi512_pd(v)}; }
    static Lanes8 near(Real x) { return {_mm512_cvttpd_epi64(x.v)}; }
    static Real constant(double x) { return {_mm512_set1_pd(x)}; }
    Rough rough() const { return {_mm512_cvtepi64_ps(v)}; }
    static Lanes8 near(Rough x) { return {_mm512_cvtepi32_epi64(_mm256_cvttps_epi32(x.v))}; }
    static Real clamp(Real x, Real low, Real high) { return {_mm512_min_pd(_mm512_max_pd(x.v, low.v), high.v)}; }
    static Real smaller(Real a, Real b) { return {_mm512_min_pd(a.v, b.v)}; }
    static Lanes8 look_up(const std::uint64_t *table, Lanes8 index) { return {_mm512_i64gather_epi64(index.v, table, 8)}; }
    static Lanes8 look_up_16(const std::uint64_t *table, Lanes8 index) {
        return {_mm512_permutex2var_epi64(_mm512_loadu_si512(table), index.v, _mm512_loadu_si512(table + 8))};
    }
    static Lanes8 look_up_pair(const std::uint32_t *table, Lanes8 index) { return {_mm512_i64gather_epi64(index.v, table, 4)}; }
};
#endif

// Two of V side by side: where one waits for its results, the other has work to do.
template <class V>
struct Twice {
    static constexpr int width = 2 * V::width;
    struct Mask {
        typename V::Mask a, b;
    };
    struct Real {
        typename V::Real a, b;
        friend Real operator+(Real x, Real y) { return {x.a + y.a, x.b + y.b}; }
        friend Real operator-(Real x, Real y) { return {x.a - y.a, x.b - y.b}; }
        friend Real operator*(Real x, Real y) { return {x.a * y.a, x.b * y.b}; }
        friend Real operator/(Real x, Real y) { return {x.a / y.a, x.b / y.b}; }
    };
    using Rough = typename V::TwiceRough;
    V a, b;

    static Twice set(std::int64_t x) { return {V::set(x), V::set(x)}; }
    static Twice load(const std::int64_t *p) { return {V::load(p), V::load(p + V::width)}; }
    static Twice load_u32(const std::uint32_t *p) { return {V::load_u32(p), V::load_u32(p + V::width)}; }
    template <class Float>
    static Twice load_double(const Float *p) {
        return {V::load_double(p), V::load_double(p + V::width)};
    }
    static Twice bits(Real x) { return {V::bits(x.a), V::bits(x.b)}; }
    void store(std::int64_t *p) const { a.store(p), b.store(p + V::width); }
    void store_intervals(Interval *p) const { a.store_intervals(p), b.store_intervals(p + V::width); }

    friend Twice operator+(Twice x, Twice y) { return {x.a + y.a, x.b + y.b}; }
    friend Twice operator-(Twice x, Twice y) { return {x.a - y.a, x.b - y.b}; }
    friend Twice operator&(Twice x, Twice y) { return {x.a & y.a, x.b & y.b}; }
    friend Twice operator|(Twice x, Twice y) { return {x.a | y.a, x.b | y.b}; }
    template <int k>
    Twice shl() const {
        return {a.template shl<k>(), b.template shl<k>()};
    }
    template <int k>
    Twice shr() const {
        return {a.template shr<k>(), b.template shr<k>()};
    }
    template <int k>
    Twice sra() const {
        return {a.template sra<k>(), b.template sra<k>()};
    }
    static Twice multiply(Twice x, Twice y) { return {V::multiply(x.a, y.a), V::multiply(x.b, y.b)}; }
    static Mask greater(Twice x, Twice y) { return {V::greater(x.a, y.a), V::greater(x.b, y.b)}; }
    static Twice minimum(Twice x, Twice y) { return {V::minimum(x.a, y.a), V::minimum(x.b, y.b)}; }
    static Twice maximum(Twice x, Twice y) { return {V::maximum(x.a, y.a), V::maximum(x.b, y.b)}; }
    Twice magnitude() const { return {a.magnitude(), b.magnitude()}; }
    static Twice select(Mask m, Twice yes, Twice no) { return {V::select(m.a, yes.a, no.a), V::select(m.b, yes.b, no.b)}; }
    static bool any(Mask m) { return V::any(m.a) || V::any(m.b); }
    static Mask opposite(Mask m) { return {V::opposite(m.a), V::opposite(m.b)}; }
    static Mask either(Mask x, Mask y) { return {V::either(x.a, y.a), V::either(x.b, y.b)}; }
    static Twice add_where(Mask m, Twice x, Twice y) { return {V::add_where(m.a, x.a, y.a), V::add_where(m.b, x.b, y.b)}; }
    Real real() const { return {a.real(), b.real()}; }
    Twice double_bits() const { return {a.double_bits(), b.double_bits()}; }
    Real as_double() const { return {a.as_double(), b.as_double()}; }
    static Twice near(Real x) { return {V::near(x.a), V::near(x.b)}; }
    static Real constant(double x) { return {V::constant(x), V::constant(x)}; }
    Rough rough() const { return Rough::join(a.rough(), b.rough()); }
    static Twice near(Rough x) { return {V::near(x.low()), V::near(x.high())}; }
    static Real clamp(Real x, Real low, Real high) { return {V::clamp(x.a, low.a, high.a), V::clamp(x.b, low.b, high.b)}; }
    static Real smaller(Real x, Real y) { return {V::smaller(x.a, y.a), V::smaller(x.b, y.b)}; }
    static Twice look_up(const std::uint64_t *table, Twice index) {
        return {V::look_up(table, index.a), V::look_up(table, index.b)};
    }
    static Twice look_up_16(const std::uint64_t *table, Twice index) {
        return {V::look_up_16(table, index.a), V::look_up_16(table, index.b)};
    }
    static Twice look_up_pair(const std::uint32_t *table, Twice index) {
        return {V::look_up_pair(table, index.a), V::look_up_pair(table, index.b)};
    }
};

// Columns of V::width rows of numbers, at most `most` of them; stride: numbers from row to row, 0 if there is one row for all.
template <class V, class T, int most>
class Columns {
public:
    Columns(const T *rows, std::size_t stride, std::size_t) : rows_(rows), stride_(stride) {}

    V integers(std::size_t j) const { return V::load(column(j).data()); }
    V unsigned_integers(std::size_t j) const { return V::load_u32(column(j).data()); }
    V doubles(std::size_t j) const { return V::load_double(column(j).data()); }

private:
    std::array<T, V::width> column(std::size_t j) const {
        std::array<T, V::width> out;
        for (std::size_t row = 0; row < V::width; ++row) out[row] = rows_[row * stride_ + j];
        return out;
    }

    const T *rows_;
    std::size_t stride_;
};

#if defined(__AVX512F__)
// Every vector of rows has some of a column's numbers; permutations are quicker than gathers.
template <class V, class T, int most>
    requires(V::width >= 8)
class Columns<V, T, most> {
public:
    Columns(const T *rows, std::size_t stride, std::size_t columns) {
        constexpr std::size_t kAtOnce = kLanes < V::width ? kLanes : V::width;
        if (stride != 0) {
            for (std::size_t row = 0; row < V::width; row += kAtOnce) read(rows + row * columns, kAtOnce, columns, out_ + row);
        } else {
            for (std::size_t j = 0; j < columns; ++j) std::fill_n(out_ + j * V::width, V::width, rows[j]);
        }
    }

    V integers(std::size_t j) const { return V::load(out_ + j * V::width); }
    V unsigned_integers(std::size_t j) const { return V::load_u32(out_ + j * V::width); }
    V doubles(std::size_t j) const { return V::load_double(out_ + j * V::width); }

private:
    static constexpr std::size_t kLanes = 64 / sizeof(T);

    static void read(const T *from, std::size_t rows, std::size_t columns, T *out) {
        const std::size_t n = rows * columns;
        const auto width = static_cast<int>(columns);
        if constexpr (sizeof(T) == 8) {
            const __m512i first = _mm512_mul_epu32(_mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0), _mm512_set1_epi64(width));
            for (std::size_t j = 0; j < columns; ++j) {
                const __m512i index = _mm512_add_epi64(first, _mm512_set1_epi64(static_cast<int>(j)));
                const __m512i vector = _mm512_srli_epi64(index, 3);
                __m512i column = _mm512_setzero_si512();
                for (std::size_t v = 0; v * kLanes < n; ++v) {
                    const __mmask8 here = _mm512_cmpeq_epi64_mask(vector, _mm512_set1_epi64(static_cast<int>(v)));
                    column = _mm512_mask_permutexvar_epi64(column, here, index, _mm512_loadu_si512(from + v * kLanes));
                }
                _mm512_storeu_si512(out + j * V::width, column);
            }
        } else {
            const __m512i counting = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
            const __m512i first = _mm512_mullo_epi32(counting, _mm512_set1_epi32(width));
            for (std::size_t j = 0; j < columns; ++j) {
                const __m512i index = _mm512_add_epi32(first, _mm512_set1_epi32(static_cast<int>(j)));
                const __m512i vector = _mm512_srli_epi32(index, 4);
                __m512i column = _mm512_setzero_si512();
                for (std::size_t v = 0; v * kLanes < n; ++v) {
                    const __mmask16 here = _mm512_cmpeq_epi32_mask(vector, _mm512_set1_epi32(static_cast<int>(v)));
                    const auto live = static_cast<__mmask16>(n - v * kLanes < kLanes ? (1u << (n - v * kLanes)) - 1 : 0xffff);
                    column =
                        _mm512_mask_permutexvar_epi32(column, here, index, _mm512_maskz_loadu_epi32(live, from + v * kLanes));
                }
                _mm512_mask_storeu_epi32(out + j * V::width, static_cast<__mmask16>((1u << rows) - 1), column);
            }
        }
    }

    alignas(64) T out_[most * V::width];
};
#endif

}  // namespace
}  // namespace laconic
