// Decoding profile B with AVX-512: 16 lanes a vector and look-ups in memory, or 32 lanes and all look-ups in registers
// (rans_b_narrow_avx512.h).
#if defined(LACONIC_X86)

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <utility>

#include "entropy/cpu.h"
#include "entropy/rans_b_avx512.h"
#include "entropy/rans_b_narrow_avx512.h"

namespace laconic::entropy::rans_b {
namespace {

// A gather merges into its destination: without a fresh zero it would wait for whatever was in that register.
template <int Scale>
inline __m512i gather(const void *base, __m512i index) {
    return _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), 0xffff, index, base, Scale);
}

// The same for words by loads one by one.
inline __m512i insert(const uint32_t *base, __m512i index) {
    const auto four = [&](__m128i i) {
        const uint64_t a = static_cast<uint64_t>(_mm_cvtsi128_si64(i)), b = static_cast<uint64_t>(_mm_extract_epi64(i, 1));
        const auto two = [&](uint64_t at) {
            const __m128i first = _mm_cvtsi32_si128(static_cast<int>(base[static_cast<uint32_t>(at)]));
            return _mm_insert_epi32(first, static_cast<int>(base[at >> 32]), 1);
        };
        return _mm_unpacklo_epi64(two(a), two(b));
    };
    const auto eight = [&](__m256i i) {
        return _mm256_inserti128_si256(_mm256_castsi128_si256(four(_mm256_castsi256_si128(i))),
                                       four(_mm256_extracti128_si256(i, 1)), 1);
    };
    return _mm512_inserti64x4(_mm512_castsi256_si512(eight(_mm512_castsi512_si256(index))),
                              eight(_mm512_extracti64x4_epi64(index, 1)), 1);
}

inline void store(uint8_t *p, __m512i x) { _mm_storeu_si128(reinterpret_cast<__m128i *>(p), _mm512_cvtepi32_epi8(x)); }
inline void store(uint16_t *p, __m512i x) { _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), _mm512_cvtepi32_epi16(x)); }

// x < 2^15: take a word each, in lane order.
inline __m512i refill(__m512i x, const uint8_t *&stream) {
    const __mmask16 due = _mm512_cmplt_epu32_mask(x, _mm512_set1_epi32(kStart));
    const __m512i words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(stream)));
    stream += 2 * _mm_popcnt_u32(due);
    return _mm512_mask_or_epi32(x, due, _mm512_slli_epi32(x, 16), _mm512_maskz_expand_epi32(due, words));
}

// A table for each byte, in registers.
struct TableMap {
    __m512i quarters[4];

    explicit TableMap(const uint8_t *table_of) {
        for (unsigned k = 0; k < 4; ++k) quarters[k] = _mm512_loadu_si512(table_of + 64 * k);
    }

    // By the low byte of each 32-bit element.
    __m512i operator()(__m512i symbols) const {
        constexpr __mmask64 kLowBytes = 0x1111111111111111;
        const __m512i below = _mm512_maskz_permutex2var_epi8(kLowBytes, quarters[0], symbols, quarters[1]);
        const __m512i above = _mm512_maskz_permutex2var_epi8(kLowBytes, quarters[2], symbols, quarters[3]);
        return _mm512_mask_mov_epi32(below, _mm512_test_epi32_mask(symbols, _mm512_set1_epi32(0x80)), above);
    }
};

// 16 symbols, one a 32-bit element, in the low byte where they are packed; the states are left to be refilled.
template <bool Packed, Context Kind, bool Inserts>
struct Lookup {
    const uint32_t *slots;
    const uint16_t *symbols;
    __m512i mask, precision;

    explicit Lookup(const DecodeTables &tables)
        : slots(tables.slots()),
          symbols(tables.symbols()),
          mask(_mm512_set1_epi32((1 << tables.precision()) - 1)),
          precision(_mm512_set1_epi32(static_cast<int>(tables.precision()))) {}

    // tables: those of these symbols.
    __m512i operator()(__m512i &x, __m512i tables) const {
        __m512i slot = _mm512_and_si512(x, mask);
        if constexpr (Kind != Context::none) slot = _mm512_or_si512(slot, _mm512_sllv_epi32(tables, precision));
        const __m512i entry = Inserts ? insert(slots, slot) : gather<4>(slots, slot);
        const __m512i high = _mm512_srlv_epi32(x, precision);
        constexpr unsigned freq_at = Packed ? 20 : 14;
        const __m512i bias = Packed ? _mm512_and_si512(_mm512_srli_epi32(entry, 8), _mm512_set1_epi32(0xfff))
                                    : _mm512_and_si512(entry, _mm512_set1_epi32(0x3fff));
        x = _mm512_add_epi32(_mm512_mullo_epi32(_mm512_srli_epi32(entry, freq_at), high), _mm512_add_epi32(high, bias));
        return Packed ? entry : gather<2>(symbols, slot);
    }
};

template <typename T, typename Block, unsigned N>
std::array<T, N> array_of(Block *const (&blocks)[N], const auto &f) {
    return
        [&]<size_t... B>(std::index_sequence<B...>) { return std::array<T, N>{f(*blocks[B])...}; }(std::make_index_sequence<N>());
}

// One or two blocks on their way through a kernel.
template <typename Symbol, unsigned Blocks>
struct Streams {
    const uint8_t *at[Blocks], *limit[Blocks];
    Symbol *symbols[Blocks];
    size_t rows;

    explicit Streams(DecodeRows<Symbol> *const (&blocks)[Blocks]) : rows(blocks[0]->rows) {
        each<Blocks>([&](auto b) {
            at[b] = blocks[b]->stream;
            limit[b] = blocks[b]->limit;
            symbols[b] = blocks[b]->symbols;
            rows = std::min(rows, blocks[b]->rows);
        });
    }

    bool have_room() const {
        bool room = true;
        each<Blocks>([&](auto b) { room &= at[b] <= limit[b]; });
        return room;
    }
};

// One block, or two in step: one block's two vectors would mostly wait for their look-ups. A function of its own: inlined, GCC 12
// orders the loop by what else is in the caller, which cost a sixth of its speed.
template <bool Packed, Context Kind, bool Inserts = false, typename Symbol, unsigned Blocks>
[[gnu::noinline]] void decode_rows_with(DecodeRows<Symbol> *const (&blocks)[Blocks]) {
    using Lookup = Lookup<Packed, Kind, Inserts>;
    const auto lookups = array_of<Lookup>(blocks, [](const auto &block) { return Lookup(*block.tables); });
    Streams<Symbol, Blocks> streams(blocks);
    // Vector v is of block v / kVectors. The symbols a row before stay in registers.
    __m512i x[Blocks * kVectors], before[Blocks * kVectors];
    const uint16_t *contexts[Blocks];
    each<Blocks>([&](auto b) { contexts[b] = blocks[b]->contexts; });
    static constexpr uint8_t kNone[256] = {};
    const TableMap table_of(Kind == Context::previous ? blocks[0]->table_of : kNone);
    each<Blocks * kVectors>([&](auto v) {
        constexpr size_t b = v / kVectors, lane = v % kVectors * 16;
        x[v] = _mm512_loadu_si512(blocks[b]->states + lane);
        if constexpr (Kind == Context::previous) before[v] = load_symbols(streams.symbols[b] + lane - kLanes);
    });
    size_t row = 0;
    for (; row < streams.rows && streams.have_room(); ++row) {
        each<Blocks * kVectors>([&](auto v) {
            constexpr size_t b = v / kVectors;
            const size_t at = kLanes * row + v % kVectors * 16;
            __m512i tables = _mm512_setzero_si512();
            if constexpr (Kind == Context::given) tables = load_symbols(contexts[b] + at);
            if constexpr (Kind == Context::previous) tables = table_of(before[v]);
            before[v] = lookups[b](x[v], tables);
        });
        each<Blocks * kVectors>(
            [&](auto v) { store(streams.symbols[v / kVectors] + kLanes * row + v % kVectors * 16, before[v]); });
        each<Blocks * kVectors>([&](auto v) { x[v] = refill(x[v], streams.at[v / kVectors]); });
    }
    each<Blocks * kVectors>([&](auto v) { _mm512_storeu_si512(blocks[v / kVectors]->states + v % kVectors * 16, x[v]); });
    each<Blocks>([&](auto b) { blocks[b]->advance(row, kLanes, streams.at[b]); });
}

inline void store_words(uint8_t *p, __m512i x) { _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), _mm512_cvtepi16_epi8(x)); }
inline void store_words(uint16_t *p, __m512i x) { _mm512_storeu_si512(p, x); }

// The same where every table is narrow.
template <typename Symbol, unsigned Blocks>
void decode_narrow_rows(const NarrowTable (&tables)[Blocks], DecodeRows<Symbol> *const (&blocks)[Blocks]) {
    const NarrowTable *table = tables;
    const auto lookups =
        array_of<NarrowLookup>(blocks, [&](const auto &block) { return NarrowLookup(*table++, block.tables->precision()); });
    Streams<Symbol, Blocks> streams(blocks);
    NarrowStates x[Blocks];
    each<Blocks>([&](auto b) { x[b] = NarrowStates::load(blocks[b]->states); });
    size_t row = 0;
    for (; row < streams.rows && streams.have_room(); ++row) {
        each<Blocks>([&](auto b) { store_words(streams.symbols[b] + kLanes * row, lookups[b].pop(x[b], streams.at[b])); });
    }
    each<Blocks>([&](auto b) {
        x[b].store(blocks[b]->states);
        blocks[b]->advance(row, kLanes, streams.at[b]);
    });
}

template <bool Packed, typename Symbol, unsigned Blocks>
void decode_rows_of(DecodeRows<Symbol> *const (&blocks)[Blocks]) {
    if (blocks[0]->contexts != nullptr) return decode_rows_with<Packed, Context::given>(blocks);
    if constexpr (sizeof(Symbol) == 1) {
        if (blocks[0]->table_of != nullptr) return decode_rows_with<Packed, Context::previous>(blocks);
    }
    constexpr size_t kRowsForTables = 64;  // fewer do not pay for building them
    NarrowTable narrow[Blocks];
    bool fit = true;
    for (unsigned b = 0; b < Blocks; ++b) fit = fit && blocks[b]->rows >= kRowsForTables && narrow[b].build(*blocks[b]->tables);
    if (fit) return decode_narrow_rows(narrow, blocks);
    if constexpr (Packed) {
        // One table is in the first-level cache; several would not be, and a gather waits for more of them at once.
        if (has_slow_gathers()) return decode_rows_with<Packed, Context::none, true>(blocks);
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

}  // namespace

namespace avx512 {

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

template void decode_rows(DecodeRows<uint8_t> &job);
template void decode_rows(DecodeRows<uint16_t> &job);
template void decode_rows_pair(DecodeRows<uint8_t> &first, DecodeRows<uint8_t> &second);
template void decode_rows_pair(DecodeRows<uint16_t> &first, DecodeRows<uint16_t> &second);

}  // namespace avx512

}  // namespace laconic::entropy::rans_b

#endif
