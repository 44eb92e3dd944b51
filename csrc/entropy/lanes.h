// Lanes of 64 bits: one scalar lane, four (AVX2) or eight (AVX-512), with the same operations, so that a kernel is written once.
// Everything is in an unnamed namespace: what one file compiles with its flags must not be merged with another file's.
#pragma once

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

struct Lanes1 {
    static constexpr int width = 1;
    using Mask = bool;
    std::int64_t v;

    static Lanes1 set(std::int64_t x) { return {x}; }
    static Lanes1 load(const std::int64_t *p) { return {*p}; }
    static Lanes1 load_u32(const std::uint32_t *p) { return {static_cast<std::int64_t>(*p)}; }
    static Lanes1 load_u8(const std::uint8_t *p) { return {*p}; }
    // The bits of doubles.
    static Lanes1 load_double(const float *p) { return {std::bit_cast<std::int64_t>(static_cast<double>(*p))}; }
    static Lanes1 load_double(const double *p) { return {std::bit_cast<std::int64_t>(*p)}; }
    static Lanes1 bits(double x) { return {std::bit_cast<std::int64_t>(x)}; }
    static Lanes1 gather(const std::int64_t *p, std::size_t) { return {*p}; }
    static Lanes1 gather_u32(const std::uint32_t *p, std::size_t) { return {static_cast<std::int64_t>(*p)}; }
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
    // As a double, exactly, for 0 <= v < 2^52; its bits; and from a double x, 0 <= x < 2^51, to one of its neighbours.
    using Real = double;
    Real real() const { return static_cast<double>(v); }
    Lanes1 double_bits() const { return {std::bit_cast<std::int64_t>(real())}; }
    Real as_double() const { return std::bit_cast<double>(v); }
    static Lanes1 near(Real x) { return {static_cast<std::int64_t>(x)}; }
    static Real constant(double x) { return x; }
    static Real clamp(Real x, Real low, Real high) { return x > low ? (x < high ? x : high) : low; }
    static Real root(Real x) { return __builtin_sqrt(x); }
    static Lanes1 look_up(const std::uint64_t *table, Lanes1 index) { return {static_cast<std::int64_t>(table[index.v])}; }
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
    static Lanes4 gather(const std::int64_t *p, std::size_t stride) {
        return {_mm256_set_epi64x(p[3 * stride], p[2 * stride], p[stride], p[0])};
    }
    static Lanes4 gather_u32(const std::uint32_t *p, std::size_t stride) {
        return {_mm256_set_epi64x(p[3 * stride], p[2 * stride], p[stride], p[0])};
    }
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
    static Real clamp(Real x, Real low, Real high) { return {_mm256_min_pd(_mm256_max_pd(x.v, low.v), high.v)}; }
    static Real root(Real x) { return {_mm256_sqrt_pd(x.v)}; }
    static Lanes4 look_up(const std::uint64_t *table, Lanes4 index) {
        return {_mm256_i64gather_epi64(reinterpret_cast<const long long *>(table), index.v, 8)};
    }
    static Lanes4 look_up_pair(const std::uint32_t *table, Lanes4 index) {
        return {_mm256_i64gather_epi64(reinterpret_cast<const long long *>(table), index.v, 4)};
    }
};
#endif

#if defined(__AVX512F__)
struct Lanes8 {
    static constexpr int width = 8;
    using Mask = __mmask8;
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
    static __m512i strided(std::size_t stride) {
        return _mm512_mullo_epi64(_mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0), _mm512_set1_epi64(static_cast<std::int64_t>(stride)));
    }
    static Lanes8 load_u8(const std::uint8_t *p) {
        return {_mm512_cvtepu8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(p)))};
    }
    static Lanes8 load_double(const float *p) { return bits({_mm512_cvtps_pd(_mm256_loadu_ps(p))}); }
    static Lanes8 load_double(const double *p) { return bits({_mm512_loadu_pd(p)}); }
    static Lanes8 gather(const std::int64_t *p, std::size_t stride) { return {_mm512_i64gather_epi64(strided(stride), p, 8)}; }
    static Lanes8 gather_u32(const std::uint32_t *p, std::size_t stride) {
        return {_mm512_cvtepu32_epi64(_mm512_i64gather_epi32(strided(stride), p, 4))};
    }
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
    Real real() const { return {_mm512_cvtepi64_pd(v)}; }
    Lanes8 double_bits() const { return {_mm512_castpd_si512(real().v)}; }
    Real as_double() const { return {_mm512_castsi512_pd(v)}; }
    static Lanes8 near(Real x) { return {_mm512_cvttpd_epi64(x.v)}; }
    static Real constant(double x) { return {_mm512_set1_pd(x)}; }
    static Real clamp(Real x, Real low, Real high) { return {_mm512_min_pd(_mm512_max_pd(x.v, low.v), high.v)}; }
    static Real root(Real x) { return {_mm512_sqrt_pd(x.v)}; }
    static Lanes8 look_up(const std::uint64_t *table, Lanes8 index) { return {_mm512_i64gather_epi64(index.v, table, 8)}; }
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
    V a, b;

    static Twice set(std::int64_t x) { return {V::set(x), V::set(x)}; }
    static Twice load_u32(const std::uint32_t *p) { return {V::load_u32(p), V::load_u32(p + V::width)}; }
    static Twice gather(const std::int64_t *p, std::size_t stride) {
        return {V::gather(p, stride), V::gather(p + V::width * stride, stride)};
    }
    static Twice gather_u32(const std::uint32_t *p, std::size_t stride) {
        return {V::gather_u32(p, stride), V::gather_u32(p + V::width * stride, stride)};
    }
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
    Real real() const { return {a.real(), b.real()}; }
    Twice double_bits() const { return {a.double_bits(), b.double_bits()}; }
    Real as_double() const { return {a.as_double(), b.as_double()}; }
    static Twice near(Real x) { return {V::near(x.a), V::near(x.b)}; }
    static Real constant(double x) { return {V::constant(x), V::constant(x)}; }
    static Real clamp(Real x, Real low, Real high) { return {V::clamp(x.a, low.a, high.a), V::clamp(x.b, low.b, high.b)}; }
    static Real root(Real x) { return {V::root(x.a), V::root(x.b)}; }
    static Twice look_up(const std::uint64_t *table, Twice index) {
        return {V::look_up(table, index.a), V::look_up(table, index.b)};
    }
    static Twice look_up_pair(const std::uint32_t *table, Twice index) {
        return {V::look_up_pair(table, index.a), V::look_up_pair(table, index.b)};
    }
};

}  // namespace
}  // namespace laconic
