// Profile A with AVX2: eight lanes a vector as 32-bit states, look-ups by gather from one packed table of 1 KiB.
#if defined(LACONIC_X86)

#include <immintrin.h>

#include <array>
#include <bit>

#include "entropy/rans_a.h"

namespace laconic::entropy::rans_a {
namespace {

constexpr unsigned kVectors = kLanes / 8;

// For each mask of lanes that are due: which byte of the stream goes to which lane (-1: none); and for the encoder,
// which lanes' bytes are the last of eight.
struct Shuffles {
    alignas(64) std::array<std::array<int8_t, 8>, 256> expand, compress;

    constexpr Shuffles() : expand(), compress() {
        for (unsigned mask = 0; mask < 256; ++mask) {
            int8_t next = 0;
            compress[mask].fill(-1);
            const int8_t count = static_cast<int8_t>(std::popcount(mask));
            for (int8_t lane = 0; lane < 8; ++lane) {
                const bool due = (mask >> lane & 1) != 0;
                expand[mask][static_cast<unsigned>(lane)] = due ? next : int8_t{-1};
                if (due) compress[mask][static_cast<unsigned>(8 - count + next++)] = lane;
            }
        }
    }
};

constexpr Shuffles kShuffles;

inline __m128i load_shuffle(const std::array<int8_t, 8> &shuffle) {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i *>(shuffle.data()));
}

// A gather merges into its destination: without a fresh zero it would wait for whatever was in that register.
inline __m256i gather(const std::array<uint32_t, 256> &table, __m256i index) {
    return _mm256_mask_i32gather_epi32(_mm256_setzero_si256(), reinterpret_cast<const int *>(table.data()), index,
                                       _mm256_set1_epi32(-1), 4);
}

// A slot in one word: freq | bias << 16 | symbol << 24, so that freq and bias are the two factors' 16-bit halves.
struct PackedTable {
    alignas(64) std::array<uint32_t, 256> slots;

    explicit PackedTable(const DecodeTable &table) {
        for (unsigned q = 0; q < 256; ++q)
            slots[q] = table.freq[q] | static_cast<uint32_t>(table.bias[q]) << 16 | static_cast<uint32_t>(table.symbol[q]) << 24;
    }
};

// The symbols of eight lanes, one a 32-bit element; the states are left to be refilled.
inline __m256i look_up(__m256i &x, const PackedTable &table) {
    const __m256i entry = gather(table.slots, _mm256_and_si256(x, _mm256_set1_epi32(0xff)));
    // freq * (x >> 8) + bias * 1
    const __m256i factor = _mm256_or_si256(_mm256_srli_epi32(x, 8), _mm256_set1_epi32(1 << 16));
    x = _mm256_madd_epi16(_mm256_and_si256(entry, _mm256_set1_epi32(0x00ff00ff)), factor);
    return _mm256_srli_epi32(entry, 24);
}

// x < 256: take a byte each, in lane order.
inline __m256i refill(__m256i x, const uint8_t *&stream) {
    const __m256i due = _mm256_cmpgt_epi32(_mm256_set1_epi32(256), x);
    const unsigned mask = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(due)));
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i *>(stream));
    const __m256i taken = _mm256_cvtepu8_epi32(_mm_shuffle_epi8(bytes, load_shuffle(kShuffles.expand[mask])));
    stream += _mm_popcnt_u32(mask);
    return _mm256_or_si256(_mm256_blendv_epi8(x, _mm256_slli_epi32(x, 8), due), taken);
}

inline void load_states(const uint16_t *states, __m256i (&x)[kVectors]) {
    for (unsigned v = 0; v < kVectors; ++v)
        x[v] = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(states + 8 * v)));
}

inline void store_states(const __m256i (&x)[kVectors], uint16_t *states) {
    for (unsigned v = 0; v < kVectors; ++v) {
        const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(x[v], x[v]), 0xd8);
        _mm_storeu_si128(reinterpret_cast<__m128i *>(states + 8 * v), _mm256_castsi256_si128(packed));
    }
}

constexpr unsigned kStep = 8;  // vectors that are looked up before the first is refilled

void decode_rows(DecodeRows &block) {
    const PackedTable table(*block.table);
    __m256i x[kVectors];
    load_states(block.states, x);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const uint8_t *stream = block.stream;
    size_t row = 0;
    for (; row < block.rows && stream <= block.limit; ++row) {
        for (unsigned first = 0; first < kVectors; first += kStep) {
            // All look-ups before the first refill: taken in turns they cost 1.3 times as much.
            __m256i symbols[kStep];
            for (unsigned k = 0; k < kStep; ++k) symbols[k] = look_up(x[first + k], table);
            for (unsigned k = 0; k < kStep; ++k) x[first + k] = refill(x[first + k], stream);
            for (unsigned k = 0; k < kStep; k += 4) {
                // Both packs work within 128-bit halves: runs of four symbols come out as 0 2 4 6 | 1 3 5 7.
                const __m256i packed = _mm256_packus_epi16(_mm256_packus_epi32(symbols[k], symbols[k + 1]),
                                                           _mm256_packus_epi32(symbols[k + 2], symbols[k + 3]));
                _mm256_storeu_si256(reinterpret_cast<__m256i *>(block.symbols + row * kLanes + 8 * (first + k)),
                                    _mm256_permutevar8x32_epi32(packed, order));
            }
        }
    }
    store_states(x, block.states);
    block.advance(row, stream);
}

// What coding a symbol needs in one word: freq | start << 8 | reciprocal << 16.
struct PackedCodes {
    alignas(64) std::array<uint32_t, 256> codes;

    explicit PackedCodes(const EncodeTable &table) {
        for (unsigned s = 0; s < 256; ++s)
            codes[s] =
                table.freq[s] | static_cast<uint32_t>(table.start[s]) << 8 | static_cast<uint32_t>(table.reciprocal[s]) << 16;
    }
};

inline void encode_eight(__m256i &x, __m256i code, uint8_t *&stream) {
    const __m256i low_byte = _mm256_set1_epi32(0xff);
    const __m256i freq = _mm256_and_si256(code, low_byte);
    const __m256i start = _mm256_and_si256(_mm256_srli_epi32(code, 8), low_byte);
    // x >= freq * 256 exactly where x / 256 >= freq.
    const __m256i shifted = _mm256_srli_epi32(x, 8);
    const __m256i stays = _mm256_cmpgt_epi32(freq, shifted);
    const unsigned mask = ~static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(stays))) & 0xff;
    const unsigned count = static_cast<unsigned>(_mm_popcnt_u32(mask));
    const __m256i low = _mm256_and_si256(x, low_byte);
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    const uint64_t bytes = static_cast<uint64_t>(
        _mm_cvtsi128_si64(_mm_shuffle_epi8(_mm_packus_epi16(words, words), load_shuffle(kShuffles.compress[mask]))));
    // Eight bytes are written, those that are due last; what lies before them is free.
    __builtin_memcpy(stream - 8, &bytes, 8);
    stream -= count;
    x = _mm256_blendv_epi8(shifted, x, stays);
    __m256i quotient = _mm256_mulhi_epu16(x, _mm256_srli_epi32(code, 16));
    const __m256i rest = _mm256_sub_epi32(x, _mm256_mullo_epi16(quotient, freq));
    quotient = _mm256_sub_epi32(quotient, _mm256_cmpgt_epi32(rest, _mm256_sub_epi32(freq, _mm256_set1_epi32(1))));
    const __m256i gap = _mm256_sub_epi32(_mm256_set1_epi32(256), freq);
    x = _mm256_add_epi32(_mm256_add_epi32(x, start), _mm256_madd_epi16(quotient, gap));
}

uint8_t *encode_rows(const uint8_t *symbols, size_t rows, const EncodeTable &encode_table, uint16_t *states, uint8_t *begin,
                     uint8_t *stream) {
    const PackedCodes table(encode_table);
    __m256i x[kVectors];
    load_states(states, x);
    for (const uint8_t *row = symbols + rows * kLanes; row != symbols;) {
        row -= kLanes;
        if (stream - begin < static_cast<ptrdiff_t>(kRowBytes)) return nullptr;
        for (unsigned first = kVectors; first > 0;) {
            first -= kStep;
            // All look-ups first here too: 1.7 times as fast as in turns.
            __m256i codes[kStep];
            for (unsigned k = 0; k < kStep; ++k) {
                const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i *>(row + 8 * (first + k)));
                codes[k] = gather(table.codes, _mm256_cvtepu8_epi32(eight));
            }
            for (unsigned k = kStep; k-- > 0;) encode_eight(x[first + k], codes[k], stream);
        }
    }
    store_states(x, states);
    return stream;
}

}  // namespace

const Kernels avx2_kernels = {encode_rows, decode_rows};

}  // namespace laconic::entropy::rans_a

#endif
