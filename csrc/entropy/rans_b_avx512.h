// What the AVX-512 kernels of profile B share.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "entropy/rans_b.h"

namespace laconic::entropy::rans_b {

constexpr unsigned kVectors = kLanes / 16;

inline __m512i load_symbols(const uint8_t *p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p)));
}
inline __m512i load_symbols(const uint16_t *p) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)));
}

// f(0), .. f(N - 1), the numbers known when compiling: what arrays hold by them stays in registers.
template <unsigned N>
inline void each(const auto &f) {
    [&]<size_t... I>(std::index_sequence<I...>) { (f(std::integral_constant<size_t, I>()), ...); }(std::make_index_sequence<N>());
}

namespace avx512 {
template <typename Symbol>
void decode_rows(DecodeRows<Symbol> &job);
template <typename Symbol>
void decode_rows_pair(DecodeRows<Symbol> &first, DecodeRows<Symbol> &second);
}  // namespace avx512

}  // namespace laconic::entropy::rans_b
