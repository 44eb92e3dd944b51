// Profile B with AVX2: eight lanes a vector, table look-ups by gather, words placed by permutations from a table.
#if defined(LACONIC_X86)

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "entropy/rans_b.h"

namespace laconic::entropy::rans_b {
namespace {

constexpr unsigned kVectors = kLanes / 8;

// For each mask of lanes that are due: which word of the stream goes to which lane; and for the encoder, which lanes' words are
// the last of eight.
struct Shuffles {
    alignas(64) std::array<std::array<uint8_t, 8>, 256> expand;
    alignas(64) std::array<std::array<int8_t, 16>, 256> compress;

    constexpr Shuffles() : expand(), compress() {
        for (unsigned mask = 0; mask < 256; ++mask) {
            unsigned next = 0;
            unsigned place = 8 - static_cast<unsigned>(std::popcount(mask));
            compress[mask].fill(-1);
            for (unsigned lane = 0; lane < 8; ++lane) {
                if ((mask >> lane & 1) == 0) continue;
                expand[mask][lane] = static_cast<uint8_t>(next++);
                compress[mask][2 * place] = static_cast<int8_t>(2 * lane);
                compress[mask][2 * place + 1] = static_cast<int8_t>(2 * lane + 1);
                ++place;
            }
        }
    }
};

constexpr Shuffles kShuffles;

inline __m128i load16(const void *p) { return _mm_loadu_si128(static_cast<const __m128i *>(p)); }

// A gather merges into its destination: without a fresh zero it would wait for whatever was in that register.
template <int Scale>
inline __m256i gather(const int *base, __m256i index) {
    return _mm256_mask_i32gather_epi32(_mm256_setzero_si256(), base, index, _mm256_set1_epi32(-1), Scale);
}

// x < 2^15: take a word each, in lane order.
inline __m256i refill(__m256i x, const uint8_t *&stream) {
    const __m256i due = _mm256_cmpeq_epi32(_mm256_srli_epi32(x, 15), _mm256_setzero_si256());
    const unsigned mask = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(due)));
    const __m256i order = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(kShuffles.expand[mask].data())));
    const __m256i words = _mm256_permutevar8x32_epi32(_mm256_cvtepu16_epi32(load16(stream)), order);
    stream += 2 * _mm_popcnt_u32(mask);
    return _mm256_blendv_epi8(x, _mm256_or_si256(_mm256_slli_epi32(x, 16), words), due);
}

// Eight symbols, one a 32-bit element, of a table of up to 12 bits.
struct PackedLookup {
    const int *slots;
    __m256i mask;
    __m256i precision;

    explicit PackedLookup(const DecodeTable &table)
        : slots(reinterpret_cast<const int *>(table.slots.data())),
          mask(_mm256_set1_epi32((1 << table.precision) - 1)),
          precision(_mm256_set1_epi32(static_cast<int>(table.precision))) {}

    __m256i operator()(__m256i &x) const {
        const __m256i entry = gather<4>(slots, _mm256_and_si256(x, mask));
        const __m256i high = _mm256_srlv_epi32(x, precision);
        const __m256i bias = _mm256_and_si256(_mm256_srli_epi32(entry, 8), _mm256_set1_epi32(0xfff));
        x = _mm256_add_epi32(_mm256_mullo_epi32(_mm256_srli_epi32(entry, 20), high), _mm256_add_epi32(high, bias));
        return _mm256_and_si256(entry, _mm256_set1_epi32(0xff));
    }
};

// Tables of 13 and 14 bits: the symbol lies apart.
struct SplitLookup {
    const int *slots, *symbols;
    __m256i mask;
    __m256i precision;

    explicit SplitLookup(const DecodeTable &table)
        : slots(reinterpret_cast<const int *>(table.slots.data())),
          symbols(reinterpret_cast<const int *>(table.symbols.data())),
          mask(_mm256_set1_epi32((1 << table.precision) - 1)),
          precision(_mm256_set1_epi32(static_cast<int>(table.precision))) {}

    __m256i operator()(__m256i &x) const {
        const __m256i slot = _mm256_and_si256(x, mask);
        const __m256i entry = gather<4>(slots, slot);
        const __m256i symbol = gather<1>(symbols, slot);
        const __m256i high = _mm256_srlv_epi32(x, precision);
        const __m256i bias = _mm256_and_si256(entry, _mm256_set1_epi32(0x3fff));
        x = _mm256_add_epi32(_mm256_mullo_epi32(_mm256_srli_epi32(entry, 14), high), _mm256_add_epi32(high, bias));
        return _mm256_and_si256(symbol, _mm256_set1_epi32(0xff));
    }
};

inline void store_symbols(const __m256i (&symbols)[kVectors], uint8_t *out) {
    const __m256i low = _mm256_packus_epi32(symbols[0], symbols[1]), high = _mm256_packus_epi32(symbols[2], symbols[3]);
    // Both packs work within 128-bit halves: 4-symbol runs come out as 0 2 4 6 | 1 3 5 7.
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(out), _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order));
}

// One block, or two in step.
template <typename Lookup, unsigned Blocks>
void decode_rows_with(DecodeRows *const (&blocks)[Blocks]) {
    const auto lookups = [&]<size_t... B>(std::index_sequence<B...>) {
        return std::array<Lookup, Blocks>{Lookup(*blocks[B]->table)...};
    }(std::make_index_sequence<Blocks>());
    __m256i x[Blocks][kVectors];
    const uint8_t *stream[Blocks], *limit[Blocks];
    size_t rows = blocks[0]->rows;
    for (unsigned b = 0; b < Blocks; ++b) {
        for (unsigned v = 0; v < kVectors; ++v)
            x[b][v] = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(blocks[b]->states + 8 * v));
        stream[b] = blocks[b]->stream;
        limit[b] = blocks[b]->limit;
        rows = std::min(rows, blocks[b]->rows);
    }
    size_t row = 0;
    for (; row < rows; ++row) {
        bool room = stream[0] <= limit[0];
        for (unsigned b = 1; b < Blocks; ++b) room &= stream[b] <= limit[b];
        if (!room) break;
        for (unsigned b = 0; b < Blocks; ++b) {
            __m256i symbols[kVectors];
            for (unsigned v = 0; v < kVectors; ++v) symbols[v] = lookups[b](x[b][v]);
            for (unsigned v = 0; v < kVectors; ++v) x[b][v] = refill(x[b][v], stream[b]);
            store_symbols(symbols, blocks[b]->symbols + kLanes * row);
        }
    }
    for (unsigned b = 0; b < Blocks; ++b) {
        for (unsigned v = 0; v < kVectors; ++v)
            _mm256_storeu_si256(reinterpret_cast<__m256i *>(blocks[b]->states + 8 * v), x[b][v]);
        blocks[b]->advance(row, kLanes, stream[b]);
    }
}

// The mirror of refill: x >= freq * 2^(31 - precision), that is x >> (31 - precision) >= freq, gives its low word away.
inline __m256i spill(__m256i x, __m256i freq, __m256i shift, uint8_t *&stream) {
    const __m256i stays = _mm256_cmpgt_epi32(freq, _mm256_srlv_epi32(x, shift));
    const unsigned mask = ~static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(stays))) & 0xff;
    const __m256i low = _mm256_and_si256(x, _mm256_set1_epi32(0xffff));
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    // Eight words are written, those that are due last; what lies before them is free.
    _mm_storeu_si128(reinterpret_cast<__m128i *>(stream - 16), _mm_shuffle_epi8(words, load16(kShuffles.compress[mask].data())));
    stream -= 2 * _mm_popcnt_u32(mask);
    return _mm256_blendv_epi8(_mm256_srli_epi32(x, 16), x, stays);
}

// floor(2x * reciprocal / 2^32) >> shift, by the even and the odd lanes' 64-bit products.
inline __m256i divide(__m256i x, __m256i reciprocal, __m256i shift) {
    const __m256i doubled = _mm256_slli_epi32(x, 1);
    const __m256i even = _mm256_mul_epu32(doubled, reciprocal);
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(doubled, 32), _mm256_srli_epi64(reciprocal, 32));
    return _mm256_srlv_epi32(_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa), shift);
}

uint8_t *encode_rows(const uint8_t *symbols, size_t rows, const EncodeSymbol *table, unsigned precision, uint32_t *states,
                     uint8_t *begin, uint8_t *stream) {
    const __m256i low14 = _mm256_set1_epi32(0x3fff), one = _mm256_set1_epi32(1), total = _mm256_set1_epi32(1 << precision);
    const __m256i threshold_shift = _mm256_set1_epi32(static_cast<int>(kStateBits - precision));
    const int *const reciprocals = reinterpret_cast<const int *>(&table->reciprocal);
    const int *const packs = reinterpret_cast<const int *>(&table->packed);
    __m256i x[kVectors];
    for (unsigned v = 0; v < kVectors; ++v) x[v] = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(states + 8 * v));
    for (size_t row = rows; row-- > 0;) {
        if (stream - begin < static_cast<ptrdiff_t>(kRowBytes)) return nullptr;
        for (unsigned v = kVectors; v-- > 0;) {
            const __m256i symbol =
                _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(symbols + row * kLanes + 8 * v)));
            const __m256i reciprocal = gather<sizeof(EncodeSymbol)>(reciprocals, symbol);
            const __m256i packed = gather<sizeof(EncodeSymbol)>(packs, symbol);
            const __m256i freq = _mm256_add_epi32(_mm256_and_si256(packed, low14), one);
            const __m256i start = _mm256_and_si256(_mm256_srli_epi32(packed, 14), low14);
            x[v] = spill(x[v], freq, threshold_shift, stream);
            const __m256i quotient = divide(x[v], reciprocal, _mm256_srli_epi32(packed, 28));
            x[v] = _mm256_add_epi32(_mm256_add_epi32(x[v], start), _mm256_mullo_epi32(quotient, _mm256_sub_epi32(total, freq)));
        }
    }
    for (unsigned v = 0; v < kVectors; ++v) _mm256_storeu_si256(reinterpret_cast<__m256i *>(states + 8 * v), x[v]);
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

const Kernels avx2_kernels = {encode_rows, decode_rows, decode_rows_pair};

}  // namespace laconic::entropy::rans_b

#endif
