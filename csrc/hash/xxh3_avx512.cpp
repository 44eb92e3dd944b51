#if defined(LACONIC_X86)

#include <immintrin.h>

#include "hash/xxh3.h"

namespace laconic::hash {

void add_blocks_avx512(const uint8_t *data, size_t blocks, std::span<Accumulators *const> hashes) {
    const __m512i scramble = _mm512_loadu_si512(kSecret + kScrambleAt), prime = _mm512_set1_epi64(kPrime32);
    for (; blocks > 0; --blocks, data += kBlock) {
        __m512i values[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()}, products[2] = {values[0], values[0]};
#pragma GCC unroll 16
        for (size_t k = 0; k < kBlock / kStripe; ++k) {
            const __m512i value = _mm512_loadu_si512(data + kStripe * k);
            const __m512i keyed = _mm512_xor_si512(value, _mm512_loadu_si512(kSecret + 8 * k));
            values[k % 2] = _mm512_add_epi64(values[k % 2], value);
            products[k % 2] = _mm512_add_epi64(products[k % 2], _mm512_mul_epu32(keyed, _mm512_srli_epi64(keyed, 32)));
        }
        // A value belongs to its neighbour.
        const __m512i value = _mm512_shuffle_epi32(_mm512_add_epi64(values[0], values[1]), _MM_PERM_BADC);
        const __m512i sums = _mm512_add_epi64(_mm512_add_epi64(products[0], products[1]), value);
        for (Accumulators *const hash : hashes) {
            const __m512i sum = _mm512_add_epi64(_mm512_loadu_si512(hash->data()), sums);
            const __m512i x = _mm512_ternarylogic_epi64(sum, _mm512_srli_epi64(sum, 47), scramble, 0x96);
            const __m512i high = _mm512_slli_epi64(_mm512_mul_epu32(_mm512_srli_epi64(x, 32), prime), 32);
            _mm512_storeu_si512(hash->data(), _mm512_add_epi64(_mm512_mul_epu32(x, prime), high));
        }
    }
}

}  // namespace laconic::hash

#endif
