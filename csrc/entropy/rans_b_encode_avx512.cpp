// Encoding profile B with AVX-512, 16 lanes a vector.
#if defined(LACONIC_X86)

#include <algorithm>
#include <array>

#include "entropy/rans_b_avx512.h"

namespace laconic::entropy::rans_b {
namespace {

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

// Eight symbols' entries, by loads one by one: their indices come from memory anyway.
template <typename Symbol>
inline __m512i load_entries(const EncodeSymbol *table, const Symbol *symbols) {
    const auto two = [&](unsigned i) {
        const __m128i first = _mm_loadl_epi64(reinterpret_cast<const __m128i *>(table + symbols[i]));
        return _mm_castps_si128(_mm_loadh_pi(_mm_castsi128_ps(first), reinterpret_cast<const __m64 *>(table + symbols[i + 1])));
    };
    const auto four = [&](unsigned i) { return _mm256_inserti128_si256(_mm256_castsi128_si256(two(i)), two(i + 2), 1); };
    return _mm512_inserti64x4(_mm512_castsi256_si512(four(0)), four(4), 1);
}

// The same of any table. Both halves of an entry at once: a gather takes its time by look-up, and it merges into its destination.
inline __m512i gather_entries(const EncodeSymbol *table, __m256i index) {
    return _mm512_mask_i32gather_epi64(_mm512_setzero_si512(), 0xff, index, table, sizeof(EncodeSymbol));
}

inline Codes split_entries(__m512i low, __m512i high) {
    const __m512i evens = _mm512_slli_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), 1);
    const __m512i odds = _mm512_or_si512(evens, _mm512_set1_epi32(1));
    return {_mm512_permutex2var_epi32(low, evens, high), _mm512_permutex2var_epi32(low, odds, high)};
}

template <bool Contexts, typename Symbol>
inline Codes find_codes(const EncodeRows<Symbol> &job, size_t at) {
    const Symbol *const symbols = job.symbols + at;
    if constexpr (!Contexts) return split_entries(load_entries(job.table, symbols), load_entries(job.table, symbols + 8));
    const __m512i alphabet = _mm512_set1_epi32(static_cast<int>(job.alphabet));
    const __m512i index = _mm512_add_epi32(load_symbols(symbols), _mm512_mullo_epi32(load_symbols(job.contexts + at), alphabet));
    return split_entries(gather_entries(job.table, _mm512_castsi512_si256(index)),
                         gather_entries(job.table, _mm512_extracti64x4_epi64(index, 1)));
}

// 64 entries in registers, by the low six bits of an index.
class Codes64 {
public:
    static constexpr unsigned kSize = 64;

    explicit Codes64(const std::array<EncodeSymbol, kSize> &entries) {
        for (unsigned k = 0; k < 4; ++k) {
            const Codes codes = split_entries(_mm512_loadu_si512(&entries[16 * k]), _mm512_loadu_si512(&entries[16 * k + 8]));
            reciprocal_[k] = codes.reciprocal;
            packed_[k] = codes.packed;
        }
    }

    Codes operator()(__m512i index) const {
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

// The first four symbols of up to 16 tables: most of what differs little.
class FewSymbols {
public:
    static constexpr unsigned kTables = 16, kSymbols = 4;

    explicit FewSymbols(const EncodeRows<uint8_t> &job) : codes_(entries(job)) {}

    static bool fit(const uint8_t *row) {
        const __m256i symbols = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(row));
        return _mm256_test_epi8_mask(symbols, _mm256_set1_epi8(static_cast<char>(~(kSymbols - 1)))) == 0;
    }

    Codes operator()(const uint8_t *symbols, const uint16_t *contexts) const {
        return codes_(_mm512_or_si512(load_symbols(symbols), _mm512_slli_epi32(load_symbols(contexts), 2)));
    }

private:
    static std::array<EncodeSymbol, Codes64::kSize> entries(const EncodeRows<uint8_t> &job) {
        std::array<EncodeSymbol, Codes64::kSize> entries{};
        for (unsigned i = 0; i < job.tables * kSymbols; ++i) entries[i] = job.table[i / kSymbols * job.alphabet + i % kSymbols];
        return entries;
    }

    Codes64 codes_;
};

// One table whose symbols with a frequency all lie in [first, first + 64): their low six bits tell them apart.
class NearSymbols {
public:
    NearSymbols(const EncodeRows<uint8_t> &job, unsigned first)
        : codes_(entries(job, first)), first_(_mm256_set1_epi8(static_cast<char>(first))) {}

    // The first of them, or `alphabet` where they lie further apart.
    static unsigned first(const EncodeRows<uint8_t> &job) {
        const auto absent = [&](unsigned s) { return job.table[s].reciprocal == 0; };
        unsigned first = 0, end = job.alphabet;
        while (first < end && absent(first)) ++first;
        while (first < end && absent(end - 1)) --end;
        return end - first <= Codes64::kSize ? first : job.alphabet;
    }

    // A bit for each symbol of a row that has no frequency.
    __mmask32 strays(const uint8_t *row) const {
        const __m256i symbols = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(row));
        return _mm256_cmpge_epu8_mask(_mm256_sub_epi8(symbols, first_), _mm256_set1_epi8(Codes64::kSize));
    }

    Codes operator()(const uint8_t *symbols) const { return codes_(load_symbols(symbols)); }

private:
    static std::array<EncodeSymbol, Codes64::kSize> entries(const EncodeRows<uint8_t> &job, unsigned first) {
        std::array<EncodeSymbol, Codes64::kSize> entries{};
        for (unsigned s = first; s < std::min(first + Codes64::kSize, job.alphabet); ++s)
            entries[s % Codes64::kSize] = job.table[s];
        return entries;
    }

    Codes64 codes_;
    __m256i first_;
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
    for (; job.rows > 0 && lanes.has_room(); --job.rows) {
        Codes codes[kVectors];
        each<kVectors>([&](auto v) { codes[v] = find_codes<Contexts>(job, (job.rows - 1) * kLanes + 16 * v); });
        for (unsigned v = kVectors; v-- > 0;) lanes.push(v, codes[v]);
    }
    lanes.finish();
    return job.rows == 0;
}

bool encode_near_rows(EncodeRows<uint8_t> &job, unsigned first) {
    const NearSymbols near(job, first);
    EncodeLanes<uint8_t> lanes(job);
    __mmask32 strays = 0;
    for (; job.rows > 0 && lanes.has_room(); --job.rows) {
        const uint8_t *const row = job.symbols + (job.rows - 1) * kLanes;
        strays |= near.strays(row);
        Codes codes[kVectors];
        each<kVectors>([&](auto v) { codes[v] = near(row + 16 * v); });
        for (unsigned v = kVectors; v-- > 0;) lanes.push(v, codes[v]);
    }
    lanes.finish();
    if (strays != 0) job.reciprocals = 0;
    return job.rows == 0;
}

template <typename Symbol>
bool encode_rows(EncodeRows<Symbol> &job) {
    if (job.contexts != nullptr) return encode_rows_with<true>(job);
    if constexpr (sizeof(Symbol) == 1) {
        constexpr size_t kRowsForTables = 64;  // fewer do not pay for setting them up
        const unsigned first = job.rows < kRowsForTables ? job.alphabet : NearSymbols::first(job);
        if (first < job.alphabet) return encode_near_rows(job, first);
    }
    return encode_rows_with<false>(job);
}

// Two jobs in step: each waits for its own states only. Their tables are the same.
bool encode_rows_pair(EncodeRows<uint8_t> &first, EncodeRows<uint8_t> &second) {
    if (first.contexts == nullptr || first.tables == 0 || first.tables > FewSymbols::kTables)
        return encode_rows(first) && encode_rows(second);
    const FewSymbols few(first);
    EncodeLanes<uint8_t> a(first), b(second);
    const auto codes_of = [&](const EncodeRows<uint8_t> &job, Codes(&codes)[kVectors]) {
        const size_t at = (job.rows - 1) * kLanes;
        const bool fit = FewSymbols::fit(job.symbols + at);
        for (unsigned v = 0; v < kVectors; ++v)
            codes[v] = fit ? few(job.symbols + at + 16 * v, job.contexts + at + 16 * v) : find_codes<true>(job, at + 16 * v);
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
