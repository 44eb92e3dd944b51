#if defined(LACONIC_X86)

#include <immintrin.h>

#include "float/delta_impl.h"

namespace laconic::floats {
namespace {

// 64 look-ups at once, in four registers.
void permute_contexts(const uint8_t *contexts, size_t n, const uint8_t *table_of, uint16_t *tables) {
    __m512i part[4];
    for (int k = 0; k < 4; ++k) part[k] = _mm512_loadu_si512(table_of + 64 * k);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        const __m512i index = _mm512_loadu_si512(contexts + i);
        const __m512i found =
            _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), _mm512_permutex2var_epi8(part[0], index, part[1]),
                                   _mm512_permutex2var_epi8(part[2], index, part[3]));
        _mm512_storeu_si512(tables + i, _mm512_cvtepu8_epi16(_mm512_castsi512_si256(found)));
        _mm512_storeu_si512(tables + i + 32, _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(found, 1)));
    }
    map_contexts_here(contexts + i, n - i, table_of, tables + i);
}

}  // namespace

constinit const DeltaKernels kDeltaAvx512 = [] {
    DeltaKernels kernels = kDeltaHere;
    kernels.map_contexts = permute_contexts;
    return kernels;
}();

}  // namespace laconic::floats

#endif
