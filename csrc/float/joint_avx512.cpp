#if defined(LACONIC_X86)

#include <immintrin.h>

#include "float/joint_impl.h"
#include "float/planes_isa.h"

namespace laconic::floats {

namespace {

// 64 low parts of `Bits` bits each to and from 8 * Bits bytes.
template <unsigned Bits>
size_t pack_vectors(const uint8_t *low, size_t n, uint8_t *packed) {
    const __m512i by_two = _mm512_set1_epi16(static_cast<short>((1 << Bits) << 8 | 1));
    const __m512i by_four = _mm512_set1_epi32((1 << 2 * Bits) << 16 | 1);
    constexpr __mmask64 kept = ((uint64_t{1} << Bits) - 1) * 0x0101010101010101;
    size_t i = 0;
    for (; i + 128 <= n; i += 64, packed += 8 * Bits) {  // each store writes 64 bytes, so the last group is left to others
        const __m512i twos = _mm512_maddubs_epi16(by_two, _mm512_loadu_si512(low + i));
        const __m512i fours = _mm512_madd_epi16(twos, by_four);
        const __m512i eights = _mm512_ternarylogic_epi64(_mm512_set1_epi64((int64_t{1} << 4 * Bits) - 1), fours,
                                                         _mm512_srli_epi64(fours, 32 - 4 * Bits), 0xca);
        _mm512_storeu_si512(packed, _mm512_maskz_compress_epi8(kept, eights));
    }
    return i;
}

template <unsigned Bits>
size_t unpack_vectors(const uint8_t *packed, const uint8_t *end, size_t n, uint8_t *low) {
    alignas(64) uint8_t spread[64];
    for (unsigned k = 0; k < 64; ++k) spread[k] = static_cast<uint8_t>(k / 8 * Bits + k % 8);
    const __m512i places = _mm512_load_si512(spread);
    uint64_t offsets = 0;
    for (unsigned k = 0; k < 8; ++k) offsets |= uint64_t{k * Bits} << (8 * k);
    const __m512i shifts = _mm512_set1_epi64(static_cast<long long>(offsets)), mask = _mm512_set1_epi8((1 << Bits) - 1);
    size_t i = 0;
    for (; i + 64 <= n && end - packed >= 64; i += 64, packed += 8 * Bits) {  // each load reads 64 bytes
        const __m512i eights = _mm512_permutexvar_epi8(places, _mm512_loadu_si512(packed));
        _mm512_storeu_si512(low + i, _mm512_and_si512(_mm512_multishift_epi64_epi8(shifts, eights), mask));
    }
    return i;
}

}  // namespace

bool split_joint_avx512(const uint8_t *raw, size_t n, const JointFormat &format, const JointParts<uint8_t> &parts) {
    return split_joint_here(raw, n, format, parts);
}

void join_joint_avx512(const JointParts<const uint8_t> &parts, size_t n, const JointFormat &format, uint8_t *raw) {
    join_joint_here(parts, n, format, raw);
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
