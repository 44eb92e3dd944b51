// Profile B with AVX-512: 16 lanes a vector, table look-ups by gather.
#if defined(LACONIC_X86)

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <utility>

#include "entropy/rans_b.h"

namespace laconic::entropy::rans_b {
namespace {

constexpr unsigned kVectors = kLanes / 16;

// A gather merges into its destination: without a fresh zero it would wait for whatever was in that register.
template <int Scale>
inline __m512i gather(const void *base, __m512i index) {
    return _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), 0xffff, index, base, Scale);
}

// x < 2^15: take a word each, in lane order.
inline __m512i refill(__m512i x, const uint8_t *&stream) {
    const __mmask16 due = _mm512_cmplt_epu32_mask(x, _mm512_set1_epi32(kStart));
    const __m512i words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(stream)));
    stream += 2 * _mm_popcnt_u32(due);
    return _mm512_mask_or_epi32(x, due, _mm512_slli_epi32(x, 16), _mm512_maskz_expand_epi32(due, words));
}

// 16 symbols of a table of up to 12 bits.
struct PackedLookup {
    const uint32_t *slots;
    __m512i mask;
    __m512i precision;

    explicit PackedLookup(const DecodeTable &table)
        : slots(table.slots.data()),
          mask(_mm512_set1_epi32((1 << table.precision) - 1)),
          precision(_mm512_set1_epi32(static_cast<int>(table.precision))) {}

    __m128i operator()(__m512i &x) const {
        const __m512i entry = gather<4>(slots, _mm512_and_si512(x, mask));
        const __m512i high = _mm512_srlv_epi32(x, precision);
        const __m512i bias = _mm512_and_si512(_mm512_srli_epi32(entry, 8), _mm512_set1_epi32(0xfff));
        x = _mm512_add_epi32(_mm512_mullo_epi32(_mm512_srli_epi32(entry, 20), high), _mm512_add_epi32(high, bias));
        return _mm512_cvtepi32_epi8(entry);
    }
};

// Tables of 13 and 14 bits: the symbol lies apart.
struct SplitLookup {
    const uint32_t *slots;
    const uint8_t *symbols;
    __m512i mask;
    __m512i precision;

    explicit SplitLookup(const DecodeTable &table)
        : slots(table.slots.data()),
          symbols(table.symbols.data()),
          mask(_mm512_set1_epi32((1 << table.precision) - 1)),
          precision(_mm512_set1_epi32(static_cast<int>(table.precision))) {}

    __m128i operator()(__m512i &x) const {
        const __m512i slot = _mm512_and_si512(x, mask);
        const __m512i entry = gather<4>(slots, slot);
        const __m512i symbol = gather<1>(symbols, slot);
        const __m512i high = _mm512_srlv_epi32(x, precision);
        const __m512i bias = _mm512_and_si512(entry, _mm512_set1_epi32(0x3fff));
        x = _mm512_add_epi32(_mm512_mullo_epi32(_mm512_srli_epi32(entry, 14), high), _mm512_add_epi32(high, bias));
        return _mm512_cvtepi32_epi8(symbol);
    }
};

// Several blocks in step: a block's two vectors alone would mostly wait for their look-ups.
template <typename Lookup, unsigned Blocks>
void decode_rows_with(DecodeRows *const (&blocks)[Blocks]) {
    const auto lookups = [&]<size_t... B>(std::index_sequence<B...>) {
        return std::array<Lookup, Blocks>{Lookup(*blocks[B]->table)...};
    }(std::make_index_sequence<Blocks>());
    __m512i x[Blocks][kVectors];
    const uint8_t *stream[Blocks], *limit[Blocks];
    uint8_t *symbols[Blocks];
    size_t rows = blocks[0]->rows;
    for (unsigned b = 0; b < Blocks; ++b) {
        for (unsigned v = 0; v < kVectors; ++v) x[b][v] = _mm512_loadu_si512(blocks[b]->states + 16 * v);
        stream[b] = blocks[b]->stream;
        limit[b] = blocks[b]->limit;
        symbols[b] = blocks[b]->symbols;
        rows = std::min(rows, blocks[b]->rows);
    }
    size_t row = 0;
    for (; row < rows; ++row) {
        bool room = stream[0] <= limit[0];
        for (unsigned b = 1; b < Blocks; ++b) room &= stream[b] <= limit[b];
        if (!room) break;
        for (unsigned b = 0; b < Blocks; ++b)
            for (unsigned v = 0; v < kVectors; ++v)
                _mm_storeu_si128(reinterpret_cast<__m128i *>(symbols[b] + kLanes * row + 16 * v), lookups[b](x[b][v]));
        for (unsigned b = 0; b < Blocks; ++b)
            for (unsigned v = 0; v < kVectors; ++v) x[b][v] = refill(x[b][v], stream[b]);
    }
    for (unsigned b = 0; b < Blocks; ++b) {
        for (unsigned v = 0; v < kVectors; ++v) _mm512_storeu_si512(blocks[b]->states + 16 * v, x[b][v]);
        blocks[b]->advance(row, kLanes, stream[b]);
    }
}

// The mirror of refill: x >= freq * 2^(31 - precision) gives its low word away, the last lane's word goes last.
inline __m512i spill(__m512i x, __m512i threshold, uint8_t *&stream) {
    const __mmask16 due = _mm512_cmpge_epu32_mask(x, threshold);
    const unsigned count = static_cast<unsigned>(_mm_popcnt_u32(due));
    stream -= 2 * count;
    _mm256_mask_storeu_epi16(stream, static_cast<__mmask16>(_bzhi_u32(~0u, count)),
                             _mm256_maskz_compress_epi16(due, _mm512_cvtepi32_epi16(x)));
    return _mm512_mask_srli_epi32(x, due, x, 16);
}

// floor(2x * reciprocal / 2^32) >> shift, by the even and the odd lanes' 64-bit products.
inline __m512i divide(__m512i x, __m512i reciprocal, __m512i shift) {
    const __m512i doubled = _mm512_slli_epi32(x, 1);
    const __m512i even = _mm512_mul_epu32(doubled, reciprocal);
    const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(doubled, 32), _mm512_srli_epi64(reciprocal, 32));
    return _mm512_srlv_epi32(_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd), shift);
}

uint8_t *encode_rows(const uint8_t *symbols, size_t rows, const EncodeSymbol *table, unsigned precision, uint32_t *states,
                     uint8_t *begin, uint8_t *stream) {
    const __m512i low14 = _mm512_set1_epi32(0x3fff), one = _mm512_set1_epi32(1), total = _mm512_set1_epi32(1 << precision);
    const __m512i threshold_shift = _mm512_set1_epi32(static_cast<int>(kStateBits - precision));
    __m512i x[kVectors];
    for (unsigned v = 0; v < kVectors; ++v) x[v] = _mm512_loadu_si512(states + 16 * v);
    for (size_t row = rows; row-- > 0;) {
        if (stream - begin < static_cast<ptrdiff_t>(kRowBytes)) return nullptr;
        for (unsigned v = kVectors; v-- > 0;) {
            const __m512i symbol =
                _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(symbols + row * kLanes + 16 * v)));
            const __m512i reciprocal = gather<sizeof(EncodeSymbol)>(&table->reciprocal, symbol);
            const __m512i packed = gather<sizeof(EncodeSymbol)>(&table->packed, symbol);
            const __m512i freq = _mm512_add_epi32(_mm512_and_si512(packed, low14), one);
            const __m512i start = _mm512_and_si512(_mm512_srli_epi32(packed, 14), low14);
            x[v] = spill(x[v], _mm512_sllv_epi32(freq, threshold_shift), stream);
            const __m512i quotient = divide(x[v], reciprocal, _mm512_srli_epi32(packed, 28));
            x[v] = _mm512_add_epi32(_mm512_add_epi32(x[v], start), _mm512_mullo_epi32(quotient, _mm512_sub_epi32(total, freq)));
        }
    }
    for (unsigned v = 0; v < kVectors; ++v) _mm512_storeu_si512(states + 16 * v, x[v]);
    return stream;
}

void decode_rows(DecodeRows &block) {
    DecodeRows *const blocks[] = {&block};
    if (block.table->packed())
        decode_rows_with<PackedLookup>(blocks);
    else
        decode_rows_with<SplitLookup>(blocks);
}

void decode_rows_pair(DecodeRows &first, DecodeRows &second) {
    DecodeRows *const blocks[] = {&first, &second};
    if (first.table->packed() && second.table->packed()) decode_rows_with<PackedLookup>(blocks);
}

}  // namespace

const Kernels avx512_kernels = {encode_rows, decode_rows, decode_rows_pair};

}  // namespace laconic::entropy::rans_b

#endif
