// Profile A with AVX-512 VBMI: the tables stay in registers, a look-up of 64 symbols is a few byte permutations.
#if defined(LACONIC_X86)

#include <immintrin.h>

#include <algorithm>

#include "entropy/rans_a.h"

namespace laconic::entropy::rans_a {
namespace {

// The states of 64 lanes, low and high bytes apart: the low bytes are the slots, and which high bytes are zero says who takes a
// byte.
struct Group {
    __m512i low, high;
};

inline __m512i low_bytes() { return _mm512_set1_epi16(0xff); }

// 64 numbers of 16 bits, as even and odd lanes, to low and high bytes in lane order, and back.
inline Group join(__m512i even, __m512i odd) {
    return {_mm512_ternarylogic_epi32(low_bytes(), even, _mm512_slli_epi16(odd, 8), 0xca),
            _mm512_ternarylogic_epi32(low_bytes(), _mm512_srli_epi16(even, 8), odd, 0xca)};
}

inline __m512i even_lanes(__m512i low, __m512i high) {
    return _mm512_ternarylogic_epi32(low_bytes(), low, _mm512_slli_epi16(high, 8), 0xca);
}

inline __m512i odd_lanes(__m512i low, __m512i high) {
    return _mm512_ternarylogic_epi32(low_bytes(), _mm512_srli_epi16(low, 8), high, 0xca);
}

inline __m512i even_bytes(__m512i bytes) { return _mm512_and_si512(bytes, low_bytes()); }
inline __m512i odd_bytes(__m512i bytes) { return _mm512_srli_epi16(bytes, 8); }

inline Group load_group(const uint16_t *states) {
    const __m512i a = _mm512_loadu_si512(states), b = _mm512_loadu_si512(states + 32);
    const auto narrow = [](__m512i x, __m512i y) {
        return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi16_epi8(x)), _mm512_cvtepi16_epi8(y), 1);
    };
    return {narrow(a, b), narrow(_mm512_srli_epi16(a, 8), _mm512_srli_epi16(b, 8))};
}

inline void store_group(const Group &group, uint16_t *states) {
    const auto widen = [](__m512i x, bool upper) {
        return _mm512_cvtepu8_epi16(upper ? _mm512_extracti64x4_epi64(x, 1) : _mm512_castsi512_si256(x));
    };
    for (const bool upper : {false, true})
        _mm512_storeu_si512(states + 32 * upper,
                            _mm512_or_si512(widen(group.low, upper), _mm512_slli_epi16(widen(group.high, upper), 8)));
}

// A table of 256 bytes; the index's top two bits choose the vector.
struct Table256 {
    __m512i part[4];

    explicit Table256(const uint8_t *bytes) {
        for (int k = 0; k < 4; ++k) part[k] = _mm512_loadu_si512(bytes + 64 * k);
    }
    __m512i operator()(__m512i index, __mmask64 upper) const {
        return _mm512_mask_blend_epi8(upper, _mm512_permutex2var_epi8(part[0], index, part[1]),
                                      _mm512_permutex2var_epi8(part[2], index, part[3]));
    }
};

// Slot -> symbol, freq and bias of 64 lanes.
struct Slots {
    __m512i symbol, freq, bias;
};

// Any table: three look-ups of 256 bytes.
struct WideLookup {
    Table256 symbol, freq, bias;

    explicit WideLookup(const DecodeTable &table)
        : symbol(table.symbol.data()), freq(table.freq.data()), bias(table.bias.data()) {}

    Slots operator()(__m512i slot) const {
        const __mmask64 upper = _mm512_movepi8_mask(slot);
        return {symbol(slot, upper), freq(slot, upper), bias(slot, upper)};
    }
};

// Up to 64 live symbols: one look-up of 256 bytes for the symbol's rank, then one vector a table.
struct NarrowLookup {
    Table256 rank;
    __m512i symbol, freq, start;

    static bool fits(const DecodeTable &table) { return std::count(table.bias.begin(), table.bias.end(), 0) <= 64; }

    explicit NarrowLookup(const DecodeTable &table) : NarrowLookup(Ranked(table)) {}

    Slots operator()(__m512i slot) const {
        const __m512i r = rank(slot, _mm512_movepi8_mask(slot));
        return {_mm512_permutexvar_epi8(r, symbol), _mm512_permutexvar_epi8(r, freq),
                _mm512_sub_epi8(slot, _mm512_permutexvar_epi8(r, start))};
    }

private:
    struct Ranked {
        uint8_t rank[256], symbol[64] = {}, freq[64] = {}, start[64] = {};

        explicit Ranked(const DecodeTable &table) {
            int r = -1;
            for (unsigned q = 0; q < 256; ++q) {
                if (table.bias[q] == 0) {
                    ++r;
                    symbol[r] = table.symbol[q];
                    freq[r] = table.freq[q];
                    start[r] = static_cast<uint8_t>(q);
                }
                rank[q] = static_cast<uint8_t>(r);
            }
        }
    };

    explicit NarrowLookup(const Ranked &ranked)
        : rank(ranked.rank),
          symbol(_mm512_loadu_si512(ranked.symbol)),
          freq(_mm512_loadu_si512(ranked.freq)),
          start(_mm512_loadu_si512(ranked.start)) {}
};

inline __m512i decode_group(Group &group, const auto &lookup, const uint8_t *&stream) {
    const Slots found = lookup(group.low);
    const __m512i even =
        _mm512_add_epi16(_mm512_mullo_epi16(even_bytes(group.high), even_bytes(found.freq)), even_bytes(found.bias));
    const __m512i odd = _mm512_add_epi16(_mm512_mullo_epi16(odd_bytes(group.high), odd_bytes(found.freq)), odd_bytes(found.bias));
    const Group next = join(even, odd);
    // x < 256: take a byte each, in lane order.
    const __mmask64 due = _mm512_testn_epi8_mask(next.high, next.high);
    group.high = _mm512_mask_mov_epi8(next.high, due, next.low);
    group.low = _mm512_mask_expand_epi8(next.low, due, _mm512_loadu_si512(stream));
    stream += _mm_popcnt_u64(due);
    return found.symbol;
}

void decode_rows_with(const auto &lookup, DecodeRows &block) {
    uint16_t *const states = block.states;
    Group g0 = load_group(states), g1 = load_group(states + 64), g2 = load_group(states + 128), g3 = load_group(states + 192);
    const uint8_t *stream = block.stream;
    size_t row = 0;
    for (; row < block.rows && stream <= block.limit; ++row) {
        uint8_t *const symbols = block.symbols + row * kLanes;
        _mm512_storeu_si512(symbols, decode_group(g0, lookup, stream));
        _mm512_storeu_si512(symbols + 64, decode_group(g1, lookup, stream));
        _mm512_storeu_si512(symbols + 128, decode_group(g2, lookup, stream));
        _mm512_storeu_si512(symbols + 192, decode_group(g3, lookup, stream));
    }
    store_group(g0, states);
    store_group(g1, states + 64);
    store_group(g2, states + 128);
    store_group(g3, states + 192);
    block.advance(row, stream);
}

// What coding 64 symbols needs, as bytes in symbol order.
struct Codes {
    __m512i freq, start, reciprocal_low, reciprocal_high;
};

// The tables an encoder needs as bytes, by symbol.
struct EncodeBytes {
    const uint8_t *freq, *start;
    uint8_t reciprocal_low[256], reciprocal_high[256];

    explicit EncodeBytes(const EncodeTable &table) : freq(table.freq.data()), start(table.start.data()) {
        for (unsigned s = 0; s < 256; ++s) {
            reciprocal_low[s] = static_cast<uint8_t>(table.reciprocal[s]);
            reciprocal_high[s] = static_cast<uint8_t>(table.reciprocal[s] >> 8);
        }
    }
};

// Any symbols.
struct WideCodes {
    Table256 freq, start, reciprocal_low, reciprocal_high;

    explicit WideCodes(const EncodeBytes &bytes)
        : freq(bytes.freq), start(bytes.start), reciprocal_low(bytes.reciprocal_low), reciprocal_high(bytes.reciprocal_high) {}

    Codes operator()(__m512i symbol) const {
        const __mmask64 upper = _mm512_movepi8_mask(symbol);
        return {freq(symbol, upper), start(symbol, upper), reciprocal_low(symbol, upper), reciprocal_high(symbol, upper)};
    }
};

// Symbols in [first, first + 64): their low six bits, which are all a byte permutation looks at, tell them apart.
struct NearCodes {
    __m512i freq, start, reciprocal_low, reciprocal_high;

    NearCodes(const EncodeBytes &bytes, unsigned first)
        : freq(window(bytes.freq, first)),
          start(window(bytes.start, first)),
          reciprocal_low(window(bytes.reciprocal_low, first)),
          reciprocal_high(window(bytes.reciprocal_high, first)) {}

    Codes operator()(__m512i symbol) const {
        return {_mm512_permutexvar_epi8(symbol, freq), _mm512_permutexvar_epi8(symbol, start),
                _mm512_permutexvar_epi8(symbol, reciprocal_low), _mm512_permutexvar_epi8(symbol, reciprocal_high)};
    }

private:
    static __m512i window(const uint8_t *bytes, unsigned first) {
        uint8_t rotated[64];
        for (unsigned s = first; s < first + 64; ++s) rotated[s % 64] = bytes[s % 256];
        return _mm512_loadu_si512(rotated);
    }
};

inline __m512i push(__m512i x, __m512i freq, __m512i start, __m512i reciprocal) {
    __m512i quotient = _mm512_mulhi_epu16(x, reciprocal);
    const __m512i rest = _mm512_sub_epi16(x, _mm512_mullo_epi16(quotient, freq));
    quotient = _mm512_mask_sub_epi16(quotient, _mm512_cmpge_epu16_mask(rest, freq), quotient, _mm512_set1_epi16(-1));
    const __m512i gap = _mm512_sub_epi16(_mm512_set1_epi16(256), freq);
    return _mm512_add_epi16(_mm512_add_epi16(x, start), _mm512_mullo_epi16(quotient, gap));
}

inline void encode_group(Group &group, __m512i symbols, const auto &lookup, __m512i ascending, uint8_t *&stream) {
    const Codes codes = lookup(symbols);
    // The mirror of the decoder's refill: x >= freq * 256 gives its low byte away, the last lane's byte goes last.
    const __mmask64 due = _mm512_cmpge_epu8_mask(group.high, codes.freq);
    const unsigned count = static_cast<unsigned>(_mm_popcnt_u64(due));
    // Packed to the front, then rotated to the back of a whole vector: a store under a mask of bytes costs far more (Zen 4). What
    // it writes below the stream is free and is written again.
    const __m512i packed = _mm512_maskz_compress_epi8(due, group.low);
    _mm512_storeu_si512(stream - 64,
                        _mm512_permutexvar_epi8(_mm512_add_epi8(ascending, _mm512_set1_epi8(static_cast<char>(count))), packed));
    stream -= count;
    const __m512i low = _mm512_mask_mov_epi8(group.low, due, group.high);
    const __m512i high = _mm512_maskz_mov_epi8(~due, group.high);
    group = join(push(even_lanes(low, high), even_bytes(codes.freq), even_bytes(codes.start),
                      even_lanes(codes.reciprocal_low, codes.reciprocal_high)),
                 push(odd_lanes(low, high), odd_bytes(codes.freq), odd_bytes(codes.start),
                      odd_lanes(codes.reciprocal_low, codes.reciprocal_high)));
}

uint8_t *encode_rows_with(const auto &lookup, const uint8_t *symbols, size_t rows, uint16_t *states, uint8_t *begin,
                          uint8_t *stream) {
    Group g0 = load_group(states), g1 = load_group(states + 64), g2 = load_group(states + 128), g3 = load_group(states + 192);
    alignas(64) uint8_t counting[64];
    for (unsigned i = 0; i < 64; ++i) counting[i] = static_cast<uint8_t>(i);
    const __m512i ascending = _mm512_load_si512(counting);
    for (const uint8_t *row = symbols + rows * kLanes; row != symbols;) {
        row -= kLanes;
        if (stream - begin < static_cast<ptrdiff_t>(kRowBytes)) return nullptr;
        encode_group(g3, _mm512_loadu_si512(row + 192), lookup, ascending, stream);
        encode_group(g2, _mm512_loadu_si512(row + 128), lookup, ascending, stream);
        encode_group(g1, _mm512_loadu_si512(row + 64), lookup, ascending, stream);
        encode_group(g0, _mm512_loadu_si512(row), lookup, ascending, stream);
    }
    store_group(g0, states);
    store_group(g1, states + 64);
    store_group(g2, states + 128);
    store_group(g3, states + 192);
    return stream;
}

void decode_rows(DecodeRows &block) {
    if (NarrowLookup::fits(*block.table))
        decode_rows_with(NarrowLookup(*block.table), block);
    else
        decode_rows_with(WideLookup(*block.table), block);
}

uint8_t *encode_rows(const uint8_t *symbols, size_t rows, const EncodeTable &table, uint16_t *states, uint8_t *begin,
                     uint8_t *stream) {
    const EncodeBytes bytes(table);
    if (table.near) return encode_rows_with(NearCodes(bytes, table.first), symbols, rows, states, begin, stream);
    return encode_rows_with(WideCodes(bytes), symbols, rows, states, begin, stream);
}

}  // namespace

const Kernels avx512_kernels = {encode_rows, decode_rows};

}  // namespace laconic::entropy::rans_a

#endif
