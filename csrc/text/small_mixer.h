// Four or eight adaptive probabilities of one decision, mixed in the logistic domain with weights that are the sums of two sets
// (as in PAQ7, M. Mahoney 2005), and the mixture corrected by an adaptive map of it. Eight 16-bit numbers are one vector of every
// processor, so there is one kernel and no dispatch. Logarithms are straight lines between powers of two: the exponent and the
// mantissa of a floating-point number, side by side, are that already, and it mixes as well as a table, for less. All exactly,
// shifts being arithmetic:
//
//     log(n)   = the bits of n as an IEEE number of 32 bits, an integer
//     x[i]     = (log(p[i]) - log(65535 - p[i])) >> 15                                        256 an octave
//     output   = clamp((sum of x[i] saturate16(a[i] + b[i])) >> 15, -2047, 2047)              128 an octave; weights: 16384 = 1.0
//     mixed    = clamp(65536 / (1 + 2^(-output / 128)), 32, 65504)
//     refined  = the map at `output`, between the two nearest of 33 places
//     P(1)     = (mixed + refined) >> 1                                                       16 .. 65519
//     step     = ((bit << 16) - mixed) * rate >> 10
//     a[i]     = saturate16(a[i] + (((2 x[i] step >> 16) + 1) >> 1)), b[i] likewise
//     p[i]     = bit ? p + ((65535 - p) adapt[i] >> 16) : p - (p adapt[i] >> 16)              P(1), 16 bits, 1 .. 65534
//     nearest place of the map: m += ((bit ? 65535 : 0) - m) >> 6
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "mixing/logistic.h"

namespace laconic::text {

constexpr uint16_t kEven = 32768;
constexpr int kOutputMax = 2047;

namespace detail {

constexpr std::array<uint16_t, 2 * kOutputMax + 1> make_mixed() {
    constexpr uint64_t step = 4586780255215411730;  // 2^(-1/128) * 2^62
    std::array<uint16_t, 2 * kOutputMax + 1> table{};
    uint64_t power = uint64_t{1} << 62;  // 2^(-x/128)
    for (int x = 0; x <= kOutputMax; ++x) {
        const uint64_t p = ((uint64_t{1} << 57) / ((uint64_t{1} << 40) + (power >> 22)) + 1) >> 1;
        const auto limited = static_cast<uint16_t>(std::min<uint64_t>(p, 65504));
        table[static_cast<size_t>(kOutputMax + x)] = limited;
        table[static_cast<size_t>(kOutputMax - x)] = static_cast<uint16_t>(65536 - limited);
        power = mixing::detail::multiply_q62(power, step);
    }
    return table;
}

inline constexpr auto kMixed = make_mixed();

}  // namespace detail

inline int mixed_probability(int output) { return detail::kMixed[static_cast<size_t>(output + kOutputMax)]; }

// N = 4 or 8 numbers of 16 bits. They are joined in a register: a vector read of numbers that were just written one by one would
// wait for them.
#if defined(__SSE2__)
template <size_t N>
class Numbers {
public:
    Numbers() : v_(_mm_setzero_si128()) {}
    static Numbers load(const void *from) {
        if constexpr (N == 8) return _mm_loadu_si128(static_cast<const __m128i *>(from));
        return _mm_loadl_epi64(static_cast<const __m128i *>(from));
    }
    void store(void *to) const {
        if constexpr (N == 8)
            _mm_storeu_si128(static_cast<__m128i *>(to), v_);
        else
            _mm_storel_epi64(static_cast<__m128i *>(to), v_);
    }
    static Numbers join(const void *low, const void *high) {
        return _mm_unpacklo_epi64(Numbers<4>::load(low).vector(), Numbers<4>::load(high).vector());
    }
    void split(void *low, void *high) const {
        _mm_storel_epi64(static_cast<__m128i *>(low), v_);
        _mm_storel_epi64(static_cast<__m128i *>(high), _mm_unpackhi_epi64(v_, v_));
    }
    template <int I>
    void set(uint16_t x) {
        v_ = _mm_insert_epi16(v_, x, I);
    }
    template <int I>
    uint16_t get() const {
        return static_cast<uint16_t>(_mm_extract_epi16(v_, I));
    }
    __m128i vector() const { return v_; }

    // The formulas above.
    Numbers stretched() const {
        const __m128i zero = _mm_setzero_si128(), q = _mm_xor_si128(v_, _mm_set1_epi16(-1));
        const auto logit = [](__m128i p1, __m128i p0) {
            return _mm_srai_epi32(_mm_sub_epi32(_mm_castps_si128(_mm_cvtepi32_ps(p1)), _mm_castps_si128(_mm_cvtepi32_ps(p0))),
                                  15);
        };
        const __m128i low = logit(_mm_unpacklo_epi16(v_, zero), _mm_unpacklo_epi16(q, zero));
        if constexpr (N == 8) return _mm_packs_epi32(low, logit(_mm_unpackhi_epi16(v_, zero), _mm_unpackhi_epi16(q, zero)));
        return _mm_packs_epi32(low, zero);
    }
    int32_t times_sum(const Numbers &a, const Numbers &b) const {
        __m128i sums = _mm_madd_epi16(v_, _mm_adds_epi16(a.v_, b.v_));
        if constexpr (N == 8) sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0x4e));
        return _mm_cvtsi128_si32(_mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0xb1)));
    }
    void train(int16_t *a, Numbers &b, int step) const {
        const __m128i twice = _mm_mulhi_epi16(_mm_add_epi16(v_, v_), _mm_set1_epi16(static_cast<int16_t>(step)));
        const __m128i change = _mm_srai_epi16(_mm_add_epi16(twice, _mm_set1_epi16(1)), 1);
        Numbers(_mm_adds_epi16(load(a).v_, change)).store(a);
        b.v_ = _mm_adds_epi16(b.v_, change);
    }
    Numbers adapted(int bit, const uint16_t *adapt) const {
        const __m128i flip = _mm_set1_epi16(static_cast<int16_t>(-bit)), p = _mm_xor_si128(v_, flip);
        return _mm_xor_si128(_mm_sub_epi16(p, _mm_mulhi_epu16(p, load(adapt).v_)), flip);
    }

private:
    Numbers(__m128i v) : v_(v) {}
    __m128i v_;
};
#else
template <size_t N>
class Numbers {
public:
    static Numbers load(const void *from) {
        Numbers n;
        std::memcpy(n.v_.data(), from, 2 * N);
        return n;
    }
    void store(void *to) const { std::memcpy(to, v_.data(), 2 * N); }
    static Numbers join(const void *low, const void *high) {
        Numbers n;
        std::memcpy(n.v_.data(), low, N);
        std::memcpy(n.v_.data() + N / 2, high, N);
        return n;
    }
    void split(void *low, void *high) const {
        std::memcpy(low, v_.data(), N);
        std::memcpy(high, v_.data() + N / 2, N);
    }
    template <int I>
    void set(uint16_t x) {
        v_[I] = x;
    }
    template <int I>
    uint16_t get() const {
        return v_[I];
    }

    Numbers stretched() const {
        const auto log = [](int n) { return std::bit_cast<int32_t>(static_cast<float>(n)); };
        Numbers x;
        for (size_t i = 0; i < N; ++i) x.v_[i] = static_cast<uint16_t>((log(v_[i]) - log(65535 - v_[i])) >> 15);
        return x;
    }
    int32_t times_sum(const Numbers &a, const Numbers &b) const {
        int32_t sum = 0;
        for (size_t i = 0; i < N; ++i) sum += at(i) * saturated(a.at(i) + b.at(i));
        return sum;
    }
    void train(int16_t *a, Numbers &b, int step) const {
        for (size_t i = 0; i < N; ++i) {
            const int change = ((2 * at(i) * step >> 16) + 1) >> 1;
            a[i] = saturated(a[i] + change);
            b.v_[i] = static_cast<uint16_t>(saturated(b.at(i) + change));
        }
    }
    Numbers adapted(int bit, const uint16_t *adapt) const {
        const uint32_t flip = bit != 0 ? 0xffff : 0;
        Numbers n;
        for (size_t i = 0; i < N; ++i) {
            const uint32_t p = v_[i] ^ flip;
            n.v_[i] = static_cast<uint16_t>((p - (p * adapt[i] >> 16)) ^ flip);
        }
        return n;
    }

private:
    int at(size_t i) const { return static_cast<int16_t>(v_[i]); }
    static int16_t saturated(int x) { return static_cast<int16_t>(std::clamp(x, -32768, 32767)); }
    std::array<uint16_t, N> v_{};
};
#endif

// Maps from outputs to probabilities, one for each context.
template <size_t kContexts>
class OutputMaps {
public:
    static constexpr size_t kPlaces = 33;

    OutputMaps() {
        for (size_t i = 0; i < table_.size(); ++i)
            table_[i] = static_cast<uint16_t>(
                mixed_probability(std::clamp((static_cast<int>(i % kPlaces) - 16) * 128, -kOutputMax, kOutputMax)));
    }
    uint16_t *of(size_t context) { return table_.data() + context * kPlaces; }

private:
    std::array<uint16_t, kContexts * kPlaces> table_;
};

// One decision, from the probabilities to what they have learnt.
template <size_t N>
class Decision {
public:
    [[gnu::always_inline]] void predict(const Numbers<N> &p, const int16_t *a, const Numbers<N> &b, uint16_t *map) {
        p_ = p;
        x_ = p.stretched();
        const int output = std::clamp(x_.times_sum(Numbers<N>::load(a), b) >> 15, -kOutputMax, kOutputMax);
        const int place = output + kOutputMax + 1, weight = place & 127;
        map += place >> 7;
        nearest_ = map + (weight >> 6);
        mixed_ = mixed_probability(output);
        p1_ = static_cast<uint32_t>(mixed_ + ((map[0] * (128 - weight) + map[1] * weight) >> 7)) >> 1;
    }
    uint32_t p1() const { return p1_; }

    // The probabilities after the bit, which the caller puts back where they came from.
    [[gnu::always_inline]] Numbers<N> learn(int bit, int16_t *a, Numbers<N> &b, int32_t rate, const uint16_t *adapt) const {
        *nearest_ = static_cast<uint16_t>(*nearest_ + (((-bit & 65535) - *nearest_) >> 6));
        x_.train(a, b, ((bit << 16) - mixed_) * rate >> 10);
        return p_.adapted(bit, adapt);
    }

private:
    Numbers<N> p_, x_;
    uint16_t *nearest_ = nullptr;
    int mixed_ = 0;
    uint32_t p1_ = 0;
};

}  // namespace laconic::text
