#if defined(LACONIC_X86)

#include <immintrin.h>

#include "hash/xxh3.h"

namespace laconic::hash {

namespace {

inline __m256i load(const void *p) { return _mm256_loadu_si256(static_cast<const __m256i *>(p)); }

}  // namespace

void add_blocks_avx2(const uint8_t *data, size_t blocks, std::span<Accumulators *const> hashes) {
    const __m256i prime = _mm256_set1_epi64x(kPrime32);
    for (; blocks > 0; --blocks, data += kBlock) {
        __m256i values[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()}, products[2] = {values[0], values[0]};
#pragma GCC unroll 16
        for (size_t k = 0; k < kBlock / kStripe; ++k) {
            for (size_t half = 0; half < 2; ++half) {
                const __m256i value = load(data + kStripe * k + 32 * half);
                const __m256i keyed = _mm256_xor_si256(value, load(kSecret + 8 * k + 32 * half));
                values[half] = _mm256_add_epi64(values[half], value);
                products[half] = _mm256_add_epi64(products[half], _mm256_mul_epu32(keyed, _mm256_srli_epi64(keyed, 32)));
            }
        }
        for (size_t half = 0; half < 2; ++half) {
            // A value belongs to its neighbour.
            const __m256i sums = _mm256_add_epi64(products[half], _mm256_shuffle_epi32(values[half], _MM_SHUFFLE(1, 0, 3, 2)));
            const __m256i scramble = load(kSecret + kScrambleAt + 32 * half);
            for (Accumulators *const hash : hashes) {
                auto *const place = reinterpret_cast<__m256i *>(hash->data() + 4 * half);
                const __m256i sum = _mm256_add_epi64(load(place), sums);
                const __m256i x = _mm256_xor_si256(_mm256_xor_si256(sum, _mm256_srli_epi64(sum, 47)), scramble);
                const __m256i high = _mm256_slli_epi64(_mm256_mul_epu32(_mm256_srli_epi64(x, 32), prime), 32);
                _mm256_storeu_si256(place, _mm256_add_epi64(_mm256_mul_epu32(x, prime), high));
            }
        }
    }
}

}  // namespace laconic::hash

#endif
