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
inline __m256i gather(const void *base, __m256i index) {
    return _mm256_mask_i32gather_epi32(_mm256_setzero_si256(), static_cast<const int *>(base), index, _mm256_set1_epi32(-1),
                                       Scale);
}

inline __m256i load(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(p))); }
inline __m256i load(const uint16_t *p) { return _mm256_cvtepu16_epi32(load16(p)); }

inline __m256i load_states(const uint32_t *p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)); }
inline void store_states(uint32_t *p, __m256i x) { _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), x); }

// x < 2^15: take a word each, in lane order.
inline __m256i refill(__m256i x, const uint8_t *&stream) {
    const __m256i due = _mm256_cmpeq_epi32(_mm256_srli_epi32(x, 15), _mm256_setzero_si256());
    const unsigned mask = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(due)));
    const __m256i order = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(kShuffles.expand[mask].data())));
    const __m256i words = _mm256_permutevar8x32_epi32(_mm256_cvtepu16_epi32(load16(stream)), order);
    stream += 2 * _mm_popcnt_u32(mask);
    return _mm256_blendv_epi8(x, _mm256_or_si256(_mm256_slli_epi32(x, 16), words), due);
}

// Eight symbols, one a 32-bit element; the states are left to be refilled.
template <bool Packed, Context Kind>
struct Lookup {
    const uint32_t *slots, *table_of;
    const uint16_t *symbols;
    __m256i mask, precision;

    explicit Lookup(const DecodeTables &tables, const uint32_t *table_of_context)
        : slots(tables.slots()),
          table_of(table_of_context),
          symbols(tables.symbols()),
          mask(_mm256_set1_epi32((1 << tables.precision()) - 1)),
          precision(_mm256_set1_epi32(static_cast<int>(tables.precision()))) {}

    // given: the contexts of these symbols; before: the symbols a row before.
    __m256i operator()(__m256i &x, const uint16_t *given, const void *before) const {
        __m256i slot = _mm256_and_si256(x, mask);
        if constexpr (Kind == Context::given) slot = _mm256_or_si256(slot, _mm256_sllv_epi32(load(given), precision));
        if constexpr (Kind == Context::previous) {
            const __m256i table = gather<4>(table_of, load(static_cast<const uint8_t *>(before)));
            slot = _mm256_or_si256(slot, _mm256_sllv_epi32(table, precision));
        }
        const __m256i entry = gather<4>(slots, slot);
        const __m256i high = _mm256_srlv_epi32(x, precision);
        constexpr unsigned freq_at = Packed ? 20 : 14;
        const __m256i bias = Packed ? _mm256_and_si256(_mm256_srli_epi32(entry, 8), _mm256_set1_epi32(0xfff))
                                    : _mm256_and_si256(entry, _mm256_set1_epi32(0x3fff));
        x = _mm256_add_epi32(_mm256_mullo_epi32(_mm256_srli_epi32(entry, freq_at), high), _mm256_add_epi32(high, bias));
        if constexpr (Packed) return _mm256_and_si256(entry, _mm256_set1_epi32(0xff));
        return _mm256_and_si256(gather<2>(symbols, slot), _mm256_set1_epi32(0xffff));
    }
};

inline void store(uint8_t *out, const __m256i (&symbols)[kVectors]) {
    const __m256i low = _mm256_packus_epi32(symbols[0], symbols[1]), high = _mm256_packus_epi32(symbols[2], symbols[3]);
    // Both packs work within 128-bit halves: runs of four symbols come out as 0 2 4 6 | 1 3 5 7.
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(out), _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order));
}

inline void store(uint16_t *out, const __m256i (&symbols)[kVectors]) {
    for (unsigned v = 0; v < kVectors; v += 2) {
        const __m256i packed = _mm256_packus_epi32(symbols[v], symbols[v + 1]);
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(out + 8 * v), _mm256_permute4x64_epi64(packed, 0xd8));
    }
}

// One block, or two in step.
template <bool Packed, Context Kind, typename Symbol, unsigned Blocks>
void decode_rows_with(DecodeRows<Symbol> *const (&blocks)[Blocks]) {
    [[maybe_unused]] uint32_t table_of[Kind == Context::previous ? 256 : 1];  // as wide as what a gather reads
    if constexpr (Kind == Context::previous) std::copy_n(blocks[0]->table_of, 256, table_of);
    const auto lookups = [&]<size_t... B>(std::index_sequence<B...>) {
        return std::array<Lookup<Packed, Kind>, Blocks>{Lookup<Packed, Kind>(*blocks[B]->tables, table_of)...};
    }(std::make_index_sequence<Blocks>());
    __m256i x[Blocks][kVectors];
    const uint8_t *stream[Blocks], *limit[Blocks];
    Symbol *out[Blocks];
    const uint16_t *contexts[Blocks];
    size_t rows = blocks[0]->rows;
    for (unsigned b = 0; b < Blocks; ++b) {
        for (unsigned v = 0; v < kVectors; ++v) x[b][v] = load_states(blocks[b]->states + 8 * v);
        stream[b] = blocks[b]->stream;
        limit[b] = blocks[b]->limit;
        out[b] = blocks[b]->symbols;
        contexts[b] = blocks[b]->contexts;
        rows = std::min(rows, blocks[b]->rows);
    }
    size_t row = 0;
    for (; row < rows; ++row) {
        bool room = stream[0] <= limit[0];
        for (unsigned b = 1; b < Blocks; ++b) room &= stream[b] <= limit[b];
        if (!room) break;
        const size_t first = kLanes * row;
        for (unsigned b = 0; b < Blocks; ++b) {
            __m256i symbols[kVectors];
            // All look-ups before the first refill: taken in turns they cost 1.7 times as much (order 0, 12 bits).
            for (unsigned v = 0; v < kVectors; ++v)
                symbols[v] = lookups[b](x[b][v], Kind == Context::given ? contexts[b] + first + 8 * v : nullptr,
                                        out[b] + first + 8 * v - kLanes);
            for (unsigned v = 0; v < kVectors; ++v) x[b][v] = refill(x[b][v], stream[b]);
            store(out[b] + first, symbols);
        }
    }
    for (unsigned b = 0; b < Blocks; ++b) {
        for (unsigned v = 0; v < kVectors; ++v) store_states(blocks[b]->states + 8 * v, x[b][v]);
        blocks[b]->advance(row, kLanes, stream[b]);
    }
}

template <bool Packed, typename Symbol, unsigned Blocks>
void decode_rows_of(DecodeRows<Symbol> *const (&blocks)[Blocks]) {
    if (blocks[0]->contexts != nullptr) return decode_rows_with<Packed, Context::given>(blocks);
    if constexpr (sizeof(Symbol) == 1) {
        if (blocks[0]->table_of != nullptr) return decode_rows_with<Packed, Context::previous>(blocks);
    }
    decode_rows_with<Packed, Context::none>(blocks);
}

template <typename Symbol, unsigned Blocks>
void decode_rows_of_kind(DecodeRows<Symbol> *const (&blocks)[Blocks]) {
    const bool packed = blocks[0]->tables->packed();
    for (unsigned b = 1; b < Blocks; ++b)
        if (packed != blocks[b]->tables->packed()) return;  // a pair of both kinds: one at a time
    if constexpr (sizeof(Symbol) == 1) {
        if (packed) return decode_rows_of<true>(blocks);
    }
    decode_rows_of<false>(blocks);
}

template <typename Symbol>
void decode_rows(DecodeRows<Symbol> &job) {
    DecodeRows<Symbol> *const blocks[] = {&job};
    decode_rows_of_kind(blocks);
}

template <typename Symbol>
void decode_rows_pair(DecodeRows<Symbol> &first, DecodeRows<Symbol> &second) {
    DecodeRows<Symbol> *const blocks[] = {&first, &second};
    decode_rows_of_kind(blocks);
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

template <bool Contexts, typename Symbol>
bool encode_rows_with(EncodeRows<Symbol> &job) {
    const __m256i low14 = _mm256_set1_epi32(0x3fff), one = _mm256_set1_epi32(1), total = _mm256_set1_epi32(1 << job.precision);
    const __m256i threshold_shift = _mm256_set1_epi32(static_cast<int>(kStateBits - job.precision));
    const __m256i alphabet = _mm256_set1_epi32(static_cast<int>(job.alphabet));
    const EncodeSymbol *const table = job.table;
    __m256i x[kVectors], reciprocals = _mm256_set1_epi32(-1);
    for (unsigned v = 0; v < kVectors; ++v) x[v] = load_states(job.states + 8 * v);
    uint8_t *stream = job.stream;
    bool fits = true;
    for (size_t row = job.rows; row-- > 0;) {
        if (stream - job.begin < static_cast<ptrdiff_t>(kRowBytes)) {
            fits = false;
            break;
        }
        __m256i reciprocal[kVectors], packed[kVectors];
        for (unsigned v = 0; v < kVectors; ++v) {
            __m256i index = load(job.symbols + row * kLanes + 8 * v);
            if constexpr (Contexts)
                index = _mm256_add_epi32(index, _mm256_mullo_epi32(load(job.contexts + row * kLanes + 8 * v), alphabet));
            reciprocal[v] = gather<sizeof(EncodeSymbol)>(&table->reciprocal, index);
            packed[v] = gather<sizeof(EncodeSymbol)>(&table->packed, index);
        }
        for (unsigned v = kVectors; v-- > 0;) {
            reciprocals = _mm256_and_si256(reciprocals, reciprocal[v]);
            const __m256i freq = _mm256_add_epi32(_mm256_and_si256(packed[v], low14), one);
            const __m256i start = _mm256_and_si256(_mm256_srli_epi32(packed[v], 14), low14);
            x[v] = spill(x[v], freq, threshold_shift, stream);
            const __m256i quotient = divide(x[v], reciprocal[v], _mm256_srli_epi32(packed[v], 28));
            x[v] = _mm256_add_epi32(_mm256_add_epi32(x[v], start), _mm256_mullo_epi32(quotient, _mm256_sub_epi32(total, freq)));
        }
    }
    job.stream = stream;
    // Only the top bits matter: all set, or not.
    if (_mm256_movemask_ps(_mm256_castsi256_ps(reciprocals)) != 0xff) job.reciprocals = 0;
    for (unsigned v = 0; v < kVectors; ++v) store_states(job.states + 8 * v, x[v]);
    return fits;
}

template <typename Symbol>
bool encode_rows(EncodeRows<Symbol> &job) {
    return job.contexts != nullptr ? encode_rows_with<true>(job) : encode_rows_with<false>(job);
}

}  // namespace

namespace avx2 {
const Kernels<uint8_t> kernels8 = {encode_rows<uint8_t>, decode_rows<uint8_t>, decode_rows_pair<uint8_t>, nullptr};
const Kernels<uint16_t> kernels16 = {encode_rows<uint16_t>, decode_rows<uint16_t>, decode_rows_pair<uint16_t>, nullptr};
}  // namespace avx2

}  // namespace laconic::entropy::rans_b

#endif
