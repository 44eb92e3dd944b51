#if defined(LACONIC_X86)

#include <immintrin.h>

#include "entropy/symbol_set.h"

namespace laconic::entropy::avx2 {

size_t find_member(const SymbolSet &set, const uint8_t *symbols, size_t from, size_t n) {
    const auto twice = [](const uint8_t *p) {
        return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p)));
    };
    const __m256i below128 = twice(set.bits()), from128 = twice(set.bits() + 16);
    const __m256i bit_of = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
    const __m256i top = _mm256_set1_epi8(static_cast<char>(0x80)), seven = _mm256_set1_epi8(7);
    for (; from + 32 <= n; from += 32) {
        const __m256i s = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(symbols + from));
        // A shuffle gives 0 where the index's top bit is set: one of the two always does.
        const __m256i row =
            _mm256_or_si256(_mm256_shuffle_epi8(below128, s), _mm256_shuffle_epi8(from128, _mm256_xor_si256(s, top)));
        const __m256i bit = _mm256_shuffle_epi8(bit_of, _mm256_and_si256(_mm256_srli_epi16(s, 4), seven));
        const __m256i absent = _mm256_cmpeq_epi8(_mm256_and_si256(row, bit), _mm256_setzero_si256());
        const unsigned members = ~static_cast<unsigned>(_mm256_movemask_epi8(absent));
        if (members != 0) return from + static_cast<unsigned>(_tzcnt_u32(members));
    }
    return from;
}

}  // namespace laconic::entropy::avx2

#endif
