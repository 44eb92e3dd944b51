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

inline __m512i gather_pairs(const EncodeSymbol *table, __m256i index) {
    return _mm512_mask_i32gather_epi64(_mm512_setzero_si512(), 0xff, index, table, sizeof(EncodeSymbol));
}

inline __m512i load(const uint8_t *p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p))); }
inline __m512i load(const uint16_t *p) { return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p))); }
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
template <bool Packed, Context Kind>
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
        const __m512i entry = gather<4>(slots, slot);
        const __m512i high = _mm512_srlv_epi32(x, precision);
        constexpr unsigned freq_at = Packed ? 20 : 14;
        const __m512i bias = Packed ? _mm512_and_si512(_mm512_srli_epi32(entry, 8), _mm512_set1_epi32(0xfff))
                                    : _mm512_and_si512(entry, _mm512_set1_epi32(0x3fff));
        x = _mm512_add_epi32(_mm512_mullo_epi32(_mm512_srli_epi32(entry, freq_at), high), _mm512_add_epi32(high, bias));
        return Packed ? entry : gather<2>(symbols, slot);
    }
};

// One block, or two in step: one block's two vectors would mostly wait for their look-ups.
template <bool Packed, Context Kind, typename Symbol, unsigned Blocks>
void decode_rows_with(DecodeRows<Symbol> *const (&blocks)[Blocks]) {
    const auto lookups = [&]<size_t... B>(std::index_sequence<B...>) {
        return std::array<Lookup<Packed, Kind>, Blocks>{Lookup<Packed, Kind>(*blocks[B]->tables)...};
    }(std::make_index_sequence<Blocks>());
    __m512i x[Blocks][kVectors];
    const uint8_t *stream[Blocks], *limit[Blocks];
    Symbol *symbols[Blocks];
    const uint16_t *contexts[Blocks];
    size_t rows = blocks[0]->rows;
    for (unsigned b = 0; b < Blocks; ++b) {
        for (unsigned v = 0; v < kVectors; ++v) x[b][v] = _mm512_loadu_si512(blocks[b]->states + 16 * v);
        stream[b] = blocks[b]->stream;
        limit[b] = blocks[b]->limit;
        symbols[b] = blocks[b]->symbols;
        contexts[b] = blocks[b]->contexts;
        rows = std::min(rows, blocks[b]->rows);
    }
    // The symbols a row before stay in registers.
    __m512i before[Blocks][kVectors];
    static constexpr uint8_t kNone[256] = {};
    const TableMap table_of(Kind == Context::previous ? blocks[0]->table_of : kNone);
    if constexpr (Kind == Context::previous)
        for (unsigned b = 0; b < Blocks; ++b)
            for (unsigned v = 0; v < kVectors; ++v) before[b][v] = load(symbols[b] + 16 * v - kLanes);
    size_t row = 0;
    for (; row < rows; ++row) {
        bool room = stream[0] <= limit[0];
        for (unsigned b = 1; b < Blocks; ++b) room &= stream[b] <= limit[b];
        if (!room) break;
        const size_t first = kLanes * row;
        for (unsigned b = 0; b < Blocks; ++b)
            for (unsigned v = 0; v < kVectors; ++v) {
                __m512i tables = _mm512_setzero_si512();
                if constexpr (Kind == Context::given) tables = load(contexts[b] + first + 16 * v);
                if constexpr (Kind == Context::previous) tables = table_of(before[b][v]);
                before[b][v] = lookups[b](x[b][v], tables);
                store(symbols[b] + first + 16 * v, before[b][v]);
            }
        for (unsigned b = 0; b < Blocks; ++b)
            for (unsigned v = 0; v < kVectors; ++v) x[b][v] = refill(x[b][v], stream[b]);
    }
    for (unsigned b = 0; b < Blocks; ++b) {
        for (unsigned v = 0; v < kVectors; ++v) _mm512_storeu_si512(blocks[b]->states + 16 * v, x[b][v]);
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

// The mirror of refill: x >= freq * 2^(31 - precision) gives its low word away, the last lane's word goes last.
inline __m512i spill(__m512i x, __m512i threshold, uint8_t *&stream) {
    const __mmask16 due = _mm512_cmpge_epu32_mask(x, threshold);
    const int count = static_cast<int>(_mm_popcnt_u32(due));
    // The words moved to the end of a whole vector: a store under a mask takes longer. What is before them is written later.
    const __m256i places = _mm256_add_epi16(_mm256_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                            _mm256_set1_epi16(static_cast<short>(count)));  // modulo 16
    const __m256i words = _mm256_permutexvar_epi16(places, _mm256_maskz_compress_epi16(due, _mm512_cvtepi32_epi16(x)));
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(stream - 32), words);
    stream -= 2 * count;
    return _mm512_mask_srli_epi32(x, due, x, 16);
}

// floor(2x * reciprocal / 2^32) >> shift, by the even and the odd lanes' 64-bit products.
inline __m512i divide(__m512i x, __m512i reciprocal, __m512i shift) {
    const __m512i doubled = _mm512_slli_epi32(x, 1);
    const __m512i even = _mm512_mul_epu32(doubled, reciprocal);
    const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(doubled, 32), _mm512_srli_epi64(reciprocal, 32));
    return _mm512_srlv_epi32(_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd), shift);
}

// Of 16 symbols, by lane.
struct Codes {
    __m512i reciprocal, packed;
};

// Any symbols of any tables. Both halves of a symbol at once: a gather takes its time by look-up.
template <bool Contexts, typename Symbol>
inline Codes gather_codes(const EncodeRows<Symbol> &job, size_t at) {
    __m512i index = load(job.symbols + at);
    if constexpr (Contexts)
        index = _mm512_add_epi32(index,
                                 _mm512_mullo_epi32(load(job.contexts + at), _mm512_set1_epi32(static_cast<int>(job.alphabet))));
    const __m512i low = gather_pairs(job.table, _mm512_castsi512_si256(index));
    const __m512i high = gather_pairs(job.table, _mm512_extracti64x4_epi64(index, 1));
    const __m512i evens = _mm512_slli_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), 1);
    const __m512i odds = _mm512_or_si512(evens, _mm512_set1_epi32(1));
    return {_mm512_permutex2var_epi32(low, evens, high), _mm512_permutex2var_epi32(low, odds, high)};
}

// The first four symbols of up to 16 tables, in registers: most of what differs little.
class FewCodes {
public:
    static constexpr unsigned kTables = 16, kSymbols = 4;

    FewCodes(const EncodeSymbol *table, size_t alphabet, unsigned tables) {
        alignas(64) uint32_t parts[2][kTables * kSymbols] = {};
        for (unsigned i = 0; i < tables * kSymbols; ++i) {
            const EncodeSymbol &symbol = table[i / kSymbols * alphabet + i % kSymbols];
            parts[0][i] = symbol.reciprocal;
            parts[1][i] = symbol.packed;
        }
        for (unsigned k = 0; k < 4; ++k) {
            reciprocal_[k] = _mm512_load_si512(parts[0] + 16 * k);
            packed_[k] = _mm512_load_si512(parts[1] + 16 * k);
        }
    }

    static bool fit(const uint8_t *row) {
        const __m256i symbols = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(row));
        return _mm256_test_epi8_mask(symbols, _mm256_set1_epi8(static_cast<char>(~(kSymbols - 1)))) == 0;
    }

    Codes operator()(const uint8_t *symbols, const uint16_t *contexts) const {
        const __m512i index = _mm512_or_si512(load(symbols), _mm512_slli_epi32(load(contexts), 2));
        const __mmask16 upper = _mm512_test_epi32_mask(index, _mm512_set1_epi32(32));
        return {look_up(reciprocal_, index, upper), look_up(packed_, index, upper)};
    }

private:
    static __m512i look_up(const __m512i (&part)[4], __m512i index, __mmask16 upper) {
        return _mm512_mask_blend_epi32(upper, _mm512_permutex2var_epi32(part[0], index, part[1]),
                                       _mm512_permutex2var_epi32(part[2], index, part[3]));
    }

    __m512i reciprocal_[4], packed_[4];
};

// One job's states and stream on their way from the last row to the first.
template <typename Symbol>
struct EncodeLanes {
    EncodeRows<Symbol> &job;
    __m512i x[kVectors], reciprocals = _mm512_set1_epi32(-1);
    uint8_t *stream;

    explicit EncodeLanes(EncodeRows<Symbol> &rows) : job(rows), stream(rows.stream) {
        for (unsigned v = 0; v < kVectors; ++v) x[v] = _mm512_loadu_si512(job.states + 16 * v);
    }

    bool has_room() const { return stream - job.begin >= static_cast<ptrdiff_t>(kRowBytes); }

    void push(unsigned v, const Codes &codes) {
        const __m512i low14 = _mm512_set1_epi32(0x3fff);
        reciprocals = _mm512_and_si512(reciprocals, codes.reciprocal);
        const __m512i freq = _mm512_add_epi32(_mm512_and_si512(codes.packed, low14), _mm512_set1_epi32(1));
        const __m512i start = _mm512_and_si512(_mm512_srli_epi32(codes.packed, 14), low14);
        x[v] = spill(x[v], _mm512_sllv_epi32(freq, _mm512_set1_epi32(static_cast<int>(kStateBits - job.precision))), stream);
        const __m512i quotient = divide(x[v], codes.reciprocal, _mm512_srli_epi32(codes.packed, 28));
        const __m512i gap = _mm512_sub_epi32(_mm512_set1_epi32(1 << job.precision), freq);
        x[v] = _mm512_add_epi32(_mm512_add_epi32(x[v], start), _mm512_mullo_epi32(quotient, gap));
    }

    void finish() {
        job.stream = stream;
        job.reciprocals &= static_cast<uint32_t>(_mm512_reduce_and_epi32(reciprocals));
        for (unsigned v = 0; v < kVectors; ++v) _mm512_storeu_si512(job.states + 16 * v, x[v]);
    }
};

template <bool Contexts, typename Symbol>
bool encode_rows_with(EncodeRows<Symbol> &job) {
    EncodeLanes<Symbol> lanes(job);
    bool fits = true;
    for (; job.rows > 0 && fits; --job.rows) {
        fits = lanes.has_room();
        if (!fits) break;
        Codes codes[kVectors];
        for (unsigned v = 0; v < kVectors; ++v) codes[v] = gather_codes<Contexts>(job, (job.rows - 1) * kLanes + 16 * v);
        for (unsigned v = kVectors; v-- > 0;) lanes.push(v, codes[v]);
    }
    lanes.finish();
    return fits;
}

template <typename Symbol>
bool encode_rows(EncodeRows<Symbol> &job) {
    return job.contexts != nullptr ? encode_rows_with<true>(job) : encode_rows_with<false>(job);
}

// Two jobs in step: each waits for its own states only. Their tables are the same.
bool encode_rows_pair(EncodeRows<uint8_t> &first, EncodeRows<uint8_t> &second) {
    if (first.contexts == nullptr || first.tables == 0 || first.tables > FewCodes::kTables)
        return encode_rows(first) && encode_rows(second);
    const FewCodes few(first.table, first.alphabet, first.tables);
    EncodeLanes<uint8_t> a(first), b(second);
    const auto codes_of = [&](const EncodeRows<uint8_t> &job, Codes(&codes)[kVectors]) {
        const size_t at = (job.rows - 1) * kLanes;
        const bool fit = FewCodes::fit(job.symbols + at);
        for (unsigned v = 0; v < kVectors; ++v)
            codes[v] = fit ? few(job.symbols + at + 16 * v, job.contexts + at + 16 * v) : gather_codes<true>(job, at + 16 * v);
    };
    while (first.rows > 0 && second.rows > 0 && a.has_room() && b.has_room()) {
        Codes codes[2][kVectors];
        codes_of(first, codes[0]);
        codes_of(second, codes[1]);
        for (unsigned v = kVectors; v-- > 0;) {
            a.push(v, codes[0][v]);
            b.push(v, codes[1][v]);
        }
        --first.rows;
        --second.rows;
    }
    a.finish();
    b.finish();
    return encode_rows(first) && encode_rows(second);
}

}  // namespace

namespace avx512 {
const Kernels<uint8_t> kernels8 = {encode_rows<uint8_t>, decode_rows<uint8_t>, decode_rows_pair<uint8_t>, encode_rows_pair};
const Kernels<uint16_t> kernels16 = {encode_rows<uint16_t>, decode_rows<uint16_t>, decode_rows_pair<uint16_t>, nullptr};
}  // namespace avx512

}  // namespace laconic::entropy::rans_b

#endif
