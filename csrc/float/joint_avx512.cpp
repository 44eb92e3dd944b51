#if defined(LACONIC_X86)

#include <immintrin.h>

#include <array>

#include "float/joint_impl.h"
#include "float/planes_isa.h"

namespace laconic::floats {

namespace {

constexpr size_t kVector = 64;

// Byte or 16-bit indexes of a permutation: f(0), f(1) and so on.
template <class T, class F>
__m512i indexes(F &&f) {
    alignas(64) T values[kVector / sizeof(T)];
    for (unsigned k = 0; k < kVector / sizeof(T); ++k) values[k] = static_cast<T>(f(k));
    return _mm512_load_si512(values);
}

inline __m512i lower_half(__m512i bytes) { return _mm512_cvtepu8_epi16(_mm512_castsi512_si256(bytes)); }
inline __m512i upper_half(__m512i bytes) { return _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(bytes, 1)); }

// 64 low parts of `Bits` bits each, from bytes to the first 8 * Bits bytes and back.
template <unsigned Bits>
struct Packing {
    static constexpr size_t kBytes = 8 * Bits;
    static constexpr __mmask64 kFirst = (uint64_t{1} << kBytes) - 1;

    __m512i operator()(__m512i low) const {
        const __m512i by_two = _mm512_set1_epi16(static_cast<short>((1 << Bits) << 8 | 1));
        const __m512i by_four = _mm512_set1_epi32((1 << 2 * Bits) << 16 | 1);
        constexpr __mmask64 kept = ((uint64_t{1} << Bits) - 1) * 0x0101010101010101;
        const __m512i fours = _mm512_madd_epi16(_mm512_maddubs_epi16(by_two, low), by_four);
        const __m512i eights = _mm512_ternarylogic_epi64(_mm512_set1_epi64((int64_t{1} << 4 * Bits) - 1), fours,
                                                         _mm512_srli_epi64(fours, 32 - 4 * Bits), 0xca);
        return _mm512_maskz_compress_epi8(kept, eights);
    }

    // A whole vector is written where there is room up to `end`: the next group overwrites what it need not have been.
    void store(__m512i packed, uint8_t *to, const uint8_t *end) const {
        if (end - to >= static_cast<ptrdiff_t>(kVector))
            _mm512_storeu_si512(to, packed);
        else
            _mm512_mask_storeu_epi8(to, kFirst, packed);
    }
};

template <unsigned Bits>
struct Unpacking {
    __m512i places = indexes<uint8_t>([](unsigned k) { return k / 8 * Bits + k % 8; });
    __m512i shifts = indexes<uint8_t>([](unsigned k) { return k % 8 * Bits; });

    __m512i operator()(const uint8_t *packed, const uint8_t *end) const {
        const __m512i bytes = end - packed >= static_cast<ptrdiff_t>(kVector)
                                  ? _mm512_loadu_si512(packed)
                                  : _mm512_maskz_loadu_epi8(Packing<Bits>::kFirst, packed);
        const __m512i eights = _mm512_permutexvar_epi8(places, bytes);
        return _mm512_and_si512(_mm512_multishift_epi64_epi8(shifts, eights), _mm512_set1_epi8((1 << Bits) - 1));
    }
};

template <unsigned Bits>
size_t pack_vectors(const uint8_t *low, size_t n, uint8_t *packed) {
    const Packing<Bits> pack;
    size_t i = 0;
    for (; i + kVector <= n; i += kVector, packed += pack.kBytes) pack.store(pack(_mm512_loadu_si512(low + i)), packed, packed);
    return i;
}

template <unsigned Bits>
size_t unpack_vectors(const uint8_t *packed, const uint8_t *end, size_t n, uint8_t *low) {
    const Unpacking<Bits> unpack;
    size_t i = 0;
    for (; i + kVector <= n; i += kVector, packed += 8 * Bits) _mm512_storeu_si512(low + i, unpack(packed, end));
    return i;
}

// The first two bytes of y, of 32 elements: to joint symbols and back, in 16 bits each.
template <unsigned Top>
struct Exponents {
    __m512i shift, first = _mm512_set1_epi16(1 << Top), most = _mm512_setzero_si512();

    explicit Exponents(uint8_t lowest) : shift(_mm512_set1_epi16(static_cast<short>((lowest - 1) << Top))) {}

    __m512i to_joint(__m512i y) {
        const __m512i symbol = _mm512_srli_epi16(y, 8 - Top);
        const __mmask32 not_zero = _mm512_cmpge_epu16_mask(symbol, first);
        const __m512i joint = _mm512_mask_sub_epi16(symbol, not_zero, symbol, shift);
        most = _mm512_mask_max_epu16(most, not_zero, most, _mm512_sub_epi16(joint, first));
        return joint;
    }
    bool all_fit() const { return _mm512_cmpge_epu16_mask(most, _mm512_set1_epi16(256 - (1 << Top))) == 0; }

    __m512i from_joint(__m512i joint, __m512i low) const {
        const __mmask32 not_zero = _mm512_cmpge_epu16_mask(joint, first);
        const __m512i symbol = _mm512_mask_add_epi16(joint, not_zero, joint, shift);
        return _mm512_or_si512(_mm512_slli_epi16(symbol, 8 - Top), low);
    }
};

template <unsigned Width, unsigned Top>
bool split_vectors(const uint8_t *raw, size_t n, const JointFormat &format, const JointParts<uint8_t> &parts) {
    const __m512i lower = indexes<uint8_t>([](unsigned k) { return 2 * k; });
    const __m512i upper = indexes<uint8_t>([](unsigned k) { return 2 * k + 1; });
    const __m512i lower16 = indexes<uint16_t>([](unsigned k) { return 2 * k; });
    const __m512i upper16 = indexes<uint16_t>([](unsigned k) { return 2 * k + 1; });
    const __m512i low_mask = _mm512_set1_epi8(static_cast<char>(255 >> Top));
    const Packing<8 - Top> pack;
    Exponents<Top> exponents(format.lowest);
    uint8_t *packed = parts.packed;
    size_t i = 0;
    for (; i + kVector <= n; i += kVector, raw += kVector * Width) {
        __m512i y[2];  // the first two bytes
        if constexpr (Width == 2) {
            for (int k = 0; k < 2; ++k) {
                const __m512i x = _mm512_loadu_si512(raw + 64 * k);
                y[k] = _mm512_shldi_epi16(x, x, 1);
            }
        } else {
            __m512i rest[2];
            for (int k = 0; k < 2; ++k) {
                const __m512i a = _mm512_rol_epi32(_mm512_loadu_si512(raw + 128 * k), 1);
                const __m512i b = _mm512_rol_epi32(_mm512_loadu_si512(raw + 128 * k + 64), 1);
                y[k] = _mm512_permutex2var_epi16(a, upper16, b);
                rest[k] = _mm512_permutex2var_epi16(a, lower16, b);
            }
            _mm512_storeu_si512(parts.planes[0] + i, _mm512_permutex2var_epi8(rest[0], upper, rest[1]));
            _mm512_storeu_si512(parts.planes[1] + i, _mm512_permutex2var_epi8(rest[0], lower, rest[1]));
        }
        const __m512i joint[2] = {exponents.to_joint(y[0]), exponents.to_joint(y[1])};
        _mm512_storeu_si512(parts.joint + i, _mm512_permutex2var_epi8(joint[0], lower, joint[1]));
        const __m512i low = _mm512_and_si512(_mm512_permutex2var_epi8(y[0], lower, y[1]), low_mask);
        if (packed != nullptr) {
            pack.store(pack(low), packed, parts.end);
            packed += pack.kBytes;
        } else {
            _mm512_storeu_si512(parts.low + i, low);
        }
    }
    return split_joint_here(raw, n - i, format, parts.from(i, Top)) && exponents.all_fit();
}

template <unsigned Width, unsigned Top>
void join_vectors(const JointParts<const uint8_t> &parts, size_t n, const JointFormat &format, uint8_t *raw) {
    const __m512i low_mask = _mm512_set1_epi8(static_cast<char>(255 >> Top));
    const Unpacking<8 - Top> unpack;
    const Exponents<Top> exponents(format.lowest);
    __m512i bytes[2], pairs[2];  // that interleave the halves of two vectors
    for (unsigned half = 0; half < 2; ++half) {
        bytes[half] = indexes<uint8_t>([half](unsigned k) { return 32 * half + k / 2 + 64 * (k % 2); });
        pairs[half] = indexes<uint16_t>([half](unsigned k) { return 16 * half + k / 2 + 32 * (k % 2); });
    }
    const uint8_t *packed = parts.packed;
    size_t i = 0;
    for (; i + kVector <= n; i += kVector, raw += kVector * Width) {
        __m512i low;
        if (packed != nullptr) {
            low = unpack(packed, parts.end);
            packed += 8 * (8 - Top);
        } else {
            low = _mm512_and_si512(_mm512_loadu_si512(parts.low + i), low_mask);
        }
        const __m512i joint = _mm512_loadu_si512(parts.joint + i);
        const __m512i y[2] = {exponents.from_joint(lower_half(joint), lower_half(low)),
                              exponents.from_joint(upper_half(joint), upper_half(low))};
        if constexpr (Width == 2) {
            for (int k = 0; k < 2; ++k) _mm512_storeu_si512(raw + 64 * k, _mm512_shrdi_epi16(y[k], y[k], 1));
        } else {
            const __m512i third = _mm512_loadu_si512(parts.planes[0] + i), fourth = _mm512_loadu_si512(parts.planes[1] + i);
            for (unsigned k = 0; k < 2; ++k) {
                const __m512i rest = _mm512_permutex2var_epi8(fourth, bytes[k], third);
                for (unsigned half = 0; half < 2; ++half) {
                    const __m512i whole = _mm512_permutex2var_epi16(rest, pairs[half], y[k]);
                    _mm512_storeu_si512(raw + 128 * k + 64 * half, _mm512_ror_epi32(whole, 1));
                }
            }
        }
    }
    join_joint_here(parts.from(i, Top), n - i, format, raw);
}

}  // namespace

bool split_joint_avx512(const uint8_t *raw, size_t n, const JointFormat &format, const JointParts<uint8_t> &parts) {
    if (format.element.width == 2)
        return format.top == 1 ? split_vectors<2, 1>(raw, n, format, parts) : split_vectors<2, 2>(raw, n, format, parts);
    return format.top == 1 ? split_vectors<4, 1>(raw, n, format, parts) : split_vectors<4, 2>(raw, n, format, parts);
}

void join_joint_avx512(const JointParts<const uint8_t> &parts, size_t n, const JointFormat &format, uint8_t *raw) {
    if (format.element.width == 2)
        return format.top == 1 ? join_vectors<2, 1>(parts, n, format, raw) : join_vectors<2, 2>(parts, n, format, raw);
    format.top == 1 ? join_vectors<4, 1>(parts, n, format, raw) : join_vectors<4, 2>(parts, n, format, raw);
}

void pack_low_avx512(const uint8_t *low, size_t n, unsigned top, uint8_t *packed) {
    const size_t done = top == 1 ? pack_vectors<7>(low, n, packed) : pack_vectors<6>(low, n, packed);
    pack_here(low + done, n - done, top, packed + packed_bytes(done, top));
}

void unpack_low_avx512(const uint8_t *packed, const uint8_t *end, size_t n, unsigned top, uint8_t *low) {
    const size_t done = top == 1 ? unpack_vectors<7>(packed, end, n, low) : unpack_vectors<6>(packed, end, n, low);
    unpack_here(packed + packed_bytes(done, top), n - done, top, low + done);
}

}  // namespace laconic::floats

#endif
