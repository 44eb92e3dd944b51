#include "entropy/rans_b.h"

#include <bit>

#include "entropy/cpu.h"
#include "entropy/error.h"
#include "entropy/padded_stream.h"

namespace laconic::entropy::rans_b {
namespace {

// One symbol onto a lane's state; a word leaves first when the state would grow past 2^31.
inline void encode_one(uint32_t &x, const EncodeSymbol &symbol, unsigned precision, uint8_t *&stream) {
    const uint32_t freq = symbol.freq();
    if (x >= freq << (kStateBits - precision)) {
        *--stream = static_cast<uint8_t>(x >> 8);
        *--stream = static_cast<uint8_t>(x);
        x >>= 16;
    }
    const uint32_t quotient = static_cast<uint32_t>((static_cast<uint64_t>(2 * x) * symbol.reciprocal) >> 32) >> symbol.shift();
    x += symbol.start() + quotient * ((1u << precision) - freq);
}

// One symbol off a lane's state. Reads a word at `stream` in any case and uses it without a branch: whether one is due is a coin
// toss.
template <bool Packed>
inline uint8_t decode_one(uint32_t &state, const DecodeTable &table, const uint8_t *&stream) {
    const uint32_t slot = state & ((1u << table.precision) - 1);
    const uint32_t entry = table.slots[slot];
    const uint32_t high = state >> table.precision;
    const uint32_t x =
        Packed ? ((entry >> 20) + 1) * high + ((entry >> 8) & 0xfff) : ((entry >> 14) + 1) * high + (entry & 0x3fff);
    const uint32_t word = stream[0] | static_cast<uint32_t>(stream[1]) << 8;
    const uint32_t due = x < kStart;
    state = x << (16 * due) | (word & (0u - due));
    stream += 2 * due;
    return Packed ? static_cast<uint8_t>(entry) : table.symbols[slot];
}

template <unsigned K>
uint8_t *encode_rows_scalar(const uint8_t *symbols, size_t rows, const EncodeSymbol *table, unsigned precision, uint32_t *states,
                            uint8_t *begin, uint8_t *stream) {
    for (size_t row = rows; row-- > 0;) {
        if (stream - begin < static_cast<ptrdiff_t>(2 * K)) return nullptr;
        for (unsigned lane = K; lane-- > 0;) encode_one(states[lane], table[symbols[row * K + lane]], precision, stream);
    }
    return stream;
}

template <unsigned K, bool Packed>
void decode_rows_with(DecodeRows &block) {
    const DecodeTable &table = *block.table;
    const uint8_t *stream = block.stream;
    size_t row = 0;
    for (; row < block.rows && stream <= block.limit; ++row)
        for (unsigned lane = 0; lane < K; ++lane)
            block.symbols[row * K + lane] = decode_one<Packed>(block.states[lane], table, stream);
    block.advance(row, K, stream);
}

template <unsigned K>
void decode_rows_scalar(DecodeRows &block) {
    if (block.table->packed())
        decode_rows_with<K, true>(block);
    else
        decode_rows_with<K, false>(block);
}

const Kernels &kernels() {
#if defined(LACONIC_X86)
    switch (active_isa()) {
        case Isa::avx512:
            return avx512_kernels;
        case Isa::avx2:
            return avx2_kernels;
        case Isa::scalar:
            break;
    }
#endif
    return scalar_kernels;
}

auto decode_rows_of(unsigned lanes) { return lanes == kFewLanes ? decode_rows_scalar<kFewLanes> : kernels().decode_rows; }

bool has_room(const DecodeJob &job) { return job.end - job.stream >= static_cast<ptrdiff_t>(kRowBytes); }

DecodeRows rows_of(DecodeJob &job) {
    return {&job.table, job.states.data(), job.stream, job.end - (has_room(job) ? kRowBytes : 0), job.symbols, job.n / job.lanes};
}

// The job's rows are decoded, its stream's last bytes and last row of symbols are not.
void finish(DecodeJob &job, DecodeRows &rows) {
    const PaddedTail<kRowBytes> tail(rows.stream, job.end);
    rows.stream = tail.begin();
    rows.limit = tail.end();
    decode_rows_of(job.lanes)(rows);
    if (rows.rows > 0) throw CorruptData("entropy block: stream ends early");
    for (unsigned lane = 0; lane < job.n % job.lanes && rows.stream <= tail.end(); ++lane)
        rows.symbols[lane] = job.table.packed() ? decode_one<true>(job.states[lane], job.table, rows.stream)
                                                : decode_one<false>(job.states[lane], job.table, rows.stream);
    if (rows.stream != tail.end()) throw CorruptData("entropy block: stream has the wrong length");
    for (unsigned lane = 0; lane < job.lanes; ++lane)
        if (job.states[lane] != kStart) throw CorruptData("entropy block: a lane does not end where it began");
}

}  // namespace

const Kernels scalar_kernels = {encode_rows_scalar<kLanes>, decode_rows_scalar<kLanes>, [](DecodeRows &, DecodeRows &) {}};

void build_encode_table(std::span<const uint16_t> freqs, EncodeSymbol *table) {
    uint32_t start = 0;
    for (size_t s = 0; s < freqs.size(); ++s) {
        const uint32_t freq = freqs[s];
        table[s] = {};
        if (freq == 0) continue;
        const unsigned shift = std::bit_width(freq - 1);
        table[s].reciprocal = static_cast<uint32_t>(((uint64_t{1} << (31 + shift)) + freq - 1) / freq);
        table[s].packed = (freq - 1) | start << 14 | shift << 28;
        start += freq;
    }
}

void DecodeTable::build(std::span<const uint16_t> freqs, unsigned table_precision) {
    precision = table_precision;
    slots.resize(size_t{1} << precision);
    symbols.resize(packed() ? 0 : slots.size() + 3);
    uint32_t start = 0;
    for (size_t s = 0; s < freqs.size(); ++s) {
        const uint32_t freq = freqs[s];
        if (freq == 0) continue;
        const uint32_t first = packed() ? (freq - 1) << 20 | static_cast<uint32_t>(s) : (freq - 1) << 14;
        const uint32_t step = packed() ? 1u << 8 : 1;
        for (uint32_t k = 0; k < freq; ++k) slots[start + k] = first + k * step;
        if (!packed())
            for (uint32_t k = 0; k < freq; ++k) symbols[start + k] = static_cast<uint8_t>(s);
        start += freq;
    }
}

uint8_t *encode(const uint8_t *symbols, size_t n, unsigned lanes, const EncodeSymbol *table, unsigned precision, uint32_t *states,
                uint8_t *begin, uint8_t *end) {
    for (unsigned lane = 0; lane < lanes; ++lane) states[lane] = kStart;
    const size_t rows = n / lanes;
    uint8_t *stream = end;
    if (stream - begin < static_cast<ptrdiff_t>(2 * lanes)) return nullptr;
    for (size_t i = n; i-- > rows * lanes;) encode_one(states[i % lanes], table[symbols[i]], precision, stream);
    if (lanes == kFewLanes) return encode_rows_scalar<kFewLanes>(symbols, rows, table, precision, states, begin, stream);
    return kernels().encode_rows(symbols, rows, table, precision, states, begin, stream);
}

void decode(DecodeJob &job) {
    DecodeRows rows = rows_of(job);
    if (has_room(job)) decode_rows_of(job.lanes)(rows);
    finish(job, rows);
}

void decode_pair(DecodeJob &first, DecodeJob &second) {
    DecodeRows rows[2] = {rows_of(first), rows_of(second)};
    if (has_room(first) && has_room(second) && first.lanes == kLanes && second.lanes == kLanes)
        kernels().decode_rows_pair(rows[0], rows[1]);
    if (has_room(first)) decode_rows_of(first.lanes)(rows[0]);
    if (has_room(second)) decode_rows_of(second.lanes)(rows[1]);
    finish(first, rows[0]);
    finish(second, rows[1]);
}

}  // namespace laconic::entropy::rans_b
