// Decoding profile B with AVX-512 VBMI for few symbols: no look-up leaves the registers. For rans_b_decode_avx512.cpp only.
//
// The 32 lanes' states lie in two vectors of 16-bit words, their low and their high halves. Symbols that have a frequency are
// known by their rank among them. A slot's top eight bits are its bucket, and a table of 256 bytes tells the rank of the symbol
// that the bucket begins with; a slot past that symbol's end belongs to the next. Frequency, start and symbol are looked up by
// rank.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "entropy/rans_b.h"

namespace laconic::entropy::rans_b {

// What the kernel looks up for one table, as it lies in memory.
class NarrowTable {
public:
    static constexpr unsigned kRanks = 64, kBuckets = 256, kWindow = 32, kWindows = 2;

    // By bucket: the rank after its first symbol's.
    alignas(64) std::array<uint8_t, kBuckets> next;
    // By rank, and the end of the rank before.
    alignas(64) std::array<uint16_t, kRanks> freq{}, start{}, end_before{}, symbol{};
    // Two runs of 32 slots that are told one by one, for buckets that more than two symbols share: the rarest symbols crowd at
    // one or both ends of most alphabets.
    alignas(64) std::array<std::array<uint16_t, kWindow>, kWindows> window{};
    std::array<uint16_t, kWindows> window_at{0xffff, 0xffff};  // in runs

    // False where the table has too many symbols, or too many crowded buckets.
    bool build(const DecodeTables &tables) {
        const unsigned precision = tables.precision();
        unsigned ranks = 0;
        for (uint32_t slot = 0; slot < 1u << precision; ++ranks) {
            if (ranks == kRanks) return false;
            const uint32_t entry = tables.slots()[slot];
            const uint32_t f = (entry >> (tables.packed() ? 20 : 14)) + 1;
            freq[ranks] = static_cast<uint16_t>(f);
            start[ranks] = static_cast<uint16_t>(slot);
            symbol[ranks] = static_cast<uint16_t>(tables.packed() ? entry & 0xff : tables.symbols()[slot]);
            slot += f;
            end_before[(ranks + 1) % kRanks] = static_cast<uint16_t>(slot);
        }
        const unsigned width = 1u << (precision - 8);
        unsigned windows = 0, told = 0;  // slots below this one are in a window
        for (unsigned bucket = 0, r = 1; bucket < kBuckets; ++bucket) {
            const unsigned first = bucket * width, end = first + width;
            next[bucket] = static_cast<uint8_t>(r = next_of(first, r));
            const bool crowded = r < ranks && start[r] + freq[r] < end;
            for (told = std::max(told, first); crowded && told < end; ++windows) {
                if (windows == kWindows) return false;
                told = open_window(windows, told / kWindow);
            }
        }
        return true;
    }

private:
    // The rank after that of a slot's symbol, looked for from `rank` on.
    unsigned next_of(unsigned slot, unsigned rank) const {
        while (end_before[rank % kRanks] <= slot) ++rank;
        return rank;
    }

    // Where it ends.
    unsigned open_window(unsigned w, unsigned at) {
        window_at[w] = static_cast<uint16_t>(at);
        unsigned r = 1;
        for (unsigned k = 0; k < kWindow; ++k) window[w][k] = static_cast<uint16_t>(r = next_of(at * kWindow + k, r));
        return (at + 1) * kWindow;
    }
};

// The states of 32 lanes, in halves.
struct NarrowStates {
    __m512i low, high;

    static NarrowStates load(const uint32_t *states) {
        const __m512i a = _mm512_loadu_si512(states), b = _mm512_loadu_si512(states + 16);
        const auto narrow = [](__m512i x, __m512i y) {
            return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(x)), _mm512_cvtepi32_epi16(y), 1);
        };
        return {narrow(a, b), narrow(_mm512_srli_epi32(a, 16), _mm512_srli_epi32(b, 16))};
    }

    void store(uint32_t *states) const {
        const auto wide = [](__m512i x, bool upper) {
            return _mm512_cvtepu16_epi32(upper ? _mm512_extracti64x4_epi64(x, 1) : _mm512_castsi512_si256(x));
        };
        for (const bool upper : {false, true})
            _mm512_storeu_si512(states + 16 * upper, _mm512_or_si512(wide(low, upper), _mm512_slli_epi32(wide(high, upper), 16)));
    }
};

// A table in registers.
class NarrowLookup {
public:
    NarrowLookup(const NarrowTable &table, unsigned precision)
        : precision_(_mm512_set1_epi16(static_cast<short>(precision))),
          to_bucket_(_mm512_set1_epi16(static_cast<short>(precision - 8))),
          mask_(_mm512_set1_epi16(static_cast<short>((1 << precision) - 1))),
          freq_(table.freq),
          start_(table.start),
          end_(table.end_before),
          symbol_(table.symbol) {
        for (unsigned k = 0; k < 4; ++k) next_[k] = _mm512_load_si512(table.next.data() + 64 * k);
        for (unsigned w = 0; w < NarrowTable::kWindows; ++w) {
            window_[w] = _mm512_load_si512(table.window[w].data());
            window_at_[w] = _mm512_set1_epi16(static_cast<short>(table.window_at[w]));
        }
    }

    // One symbol off each state.
    __m512i pop(NarrowStates &x, const uint8_t *&stream) const {
        const __m512i slot = _mm512_and_si512(x.low, mask_), bucket = _mm512_srlv_epi16(slot, to_bucket_);
        const __m512i below = _mm512_permutex2var_epi8(next_[0], bucket, next_[1]);
        const __m512i above = _mm512_permutex2var_epi8(next_[2], bucket, next_[3]);
        __m512i next = _mm512_mask_mov_epi16(below, _mm512_test_epi16_mask(bucket, _mm512_set1_epi16(0x80)), above);
        const __m512i run = _mm512_srli_epi16(slot, 5);
        for (unsigned w = 0; w < NarrowTable::kWindows; ++w) {
            __m512i exact = _mm512_permutexvar_epi16(slot, window_[w]);
            asm("" : "+v"(exact));  // a look-up under the mask would wait for the other
            next = _mm512_mask_mov_epi16(next, _mm512_cmpeq_epi16_mask(run, window_at_[w]), exact);
        }
        // One rank back where the slot is before the end of the bucket's first symbol.
        const __m512i past = _mm512_sub_epi16(slot, end_(next));
        const __m512i rank = _mm512_add_epi16(next, _mm512_srai_epi16(past, 15));
        const __m512i freq = freq_(rank), bias = _mm512_sub_epi16(slot, start_(rank));
        // freq * (x >> precision) + bias, in halves: x >> precision has up to 21 bits.
        const __m512i count = _mm512_shrdv_epi16(x.low, x.high, precision_), over = _mm512_srlv_epi16(x.high, precision_);
        const __m512i product = _mm512_mullo_epi16(freq, count);
        const __m512i upper = _mm512_add_epi16(_mm512_mulhi_epu16(freq, count), _mm512_mullo_epi16(freq, over));
        const __m512i low = _mm512_add_epi16(product, bias);
        const __m512i high = _mm512_mask_sub_epi16(upper, _mm512_cmplt_epu16_mask(low, bias), upper, _mm512_set1_epi16(-1));
        // x < 2^15: take a word each, in lane order. That is known before the carry.
        const __m512i from_bit15 = _mm512_ternarylogic_epi32(upper, _mm512_adds_epu16(product, bias),
                                                             _mm512_set1_epi16(static_cast<short>(0x8000)), 0xf8);
        const __mmask32 due = _mm512_testn_epi16_mask(from_bit15, from_bit15);
        x.high = _mm512_mask_mov_epi16(high, due, low);
        x.low = _mm512_mask_expand_epi16(low, due, _mm512_loadu_si512(stream));
        stream += 2 * static_cast<size_t>(_mm_popcnt_u32(due));
        return symbol_(rank);
    }

private:
    // 64 words, by the low six bits of each index.
    struct Words {
        __m512i lower, upper;
        explicit Words(const std::array<uint16_t, NarrowTable::kRanks> &words)
            : lower(_mm512_load_si512(words.data())), upper(_mm512_load_si512(words.data() + 32)) {}
        __m512i operator()(__m512i index) const { return _mm512_permutex2var_epi16(lower, index, upper); }
    };

    __m512i precision_, to_bucket_, mask_;
    Words freq_, start_, end_, symbol_;
    __m512i next_[4], window_[NarrowTable::kWindows], window_at_[NarrowTable::kWindows];
};

}  // namespace laconic::entropy::rans_b
