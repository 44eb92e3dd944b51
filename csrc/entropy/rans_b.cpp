#include "entropy/rans_b.h"

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <type_traits>

#include "entropy/cpu.h"
#include "entropy/error.h"
#include "entropy/padded_stream.h"

namespace laconic::entropy::rans_b {
namespace {

// One symbol onto a lane's state; a word leaves first when the state would grow past 2^31.
inline void encode_one(uint32_t &x, const EncodeSymbol &symbol, unsigned precision, uint8_t *&stream) {
    if (must_spill(x, symbol, precision)) {
        *--stream = static_cast<uint8_t>(x >> 8);
        *--stream = static_cast<uint8_t>(x);
        x >>= 16;
    }
    x = push(x, symbol, precision);
}

// The tables' pointers by value, so that a loop keeps them in registers.
struct Slots {
    const uint32_t *slots;
    const uint16_t *symbols;
    unsigned precision;

    explicit Slots(const DecodeTables &tables)
        : slots(tables.slots()), symbols(tables.symbols()), precision(tables.precision()) {}
};

// One symbol off a lane's state. Reads a word at `stream` in any case and uses it without a branch: whether one is due is a coin
// toss.
template <typename Symbol, bool Packed>
inline Symbol decode_one(uint32_t &state, const Slots &tables, size_t context, const uint8_t *&stream) {
    const size_t slot = (context << tables.precision) + (state & ((1u << tables.precision) - 1));
    const uint32_t entry = tables.slots[slot];
    const uint32_t x = Packed ? pop_packed(state, entry, tables.precision) : pop_split(state, entry, tables.precision);
    const uint32_t word = stream[0] | static_cast<uint32_t>(stream[1]) << 8;
    const uint32_t due = x < kStart;
    state = x << (16 * due) | (word & (0u - due));
    stream += 2 * due;
    return static_cast<Symbol>(Packed ? entry & 0xff : tables.symbols[slot]);
}

template <typename Symbol, unsigned K, bool Contexts>
bool encode_rows_with(EncodeRows<Symbol> &job) {
    uint8_t *stream = job.stream;
    uint32_t states[K], reciprocals = ~0u;
    std::copy_n(job.states, K, states);
    bool fits = true;
    for (size_t row = job.rows; row-- > 0;) {
        if (stream - job.begin < static_cast<ptrdiff_t>(2 * K)) {
            fits = false;
            break;
        }
        for (unsigned lane = K; lane-- > 0;) {
            const size_t i = row * K + lane;
            const EncodeSymbol symbol = job.table[(Contexts ? size_t{job.contexts[i]} * job.alphabet : 0) + job.symbols[i]];
            reciprocals &= symbol.reciprocal;
            encode_one(states[lane], symbol, job.precision, stream);
        }
    }
    job.stream = stream;
    job.reciprocals &= reciprocals;
    std::copy_n(states, K, job.states);
    return fits;
}

template <typename Symbol, unsigned K>
bool encode_rows_scalar(EncodeRows<Symbol> &job) {
    return job.contexts != nullptr ? encode_rows_with<Symbol, K, true>(job) : encode_rows_with<Symbol, K, false>(job);
}

template <typename Symbol, unsigned K, bool Packed, Context Kind>
void decode_rows_with(DecodeRows<Symbol> &job) {
    const Slots tables(*job.tables);
    const uint8_t *stream = job.stream;
    uint32_t states[K];
    std::copy_n(job.states, K, states);
    size_t row = 0;
    for (; row < job.rows && stream <= job.limit; ++row) {
        Symbol *const out = job.symbols + row * K;
        for (unsigned lane = 0; lane < K; ++lane) {
            size_t table = 0;
            if constexpr (Kind == Context::given) table = job.contexts[row * K + lane];
            if constexpr (Kind == Context::previous) table = job.table_of[*(out + lane - K)];
            out[lane] = decode_one<Symbol, Packed>(states[lane], tables, table, stream);
        }
    }
    std::copy_n(states, K, job.states);
    job.advance(row, K, stream);
}

template <typename Symbol, unsigned K, bool Packed>
void decode_rows_of(DecodeRows<Symbol> &job) {
    if (job.contexts != nullptr) return decode_rows_with<Symbol, K, Packed, Context::given>(job);
    if (job.table_of != nullptr) return decode_rows_with<Symbol, K, Packed, Context::previous>(job);
    decode_rows_with<Symbol, K, Packed, Context::none>(job);
}

template <typename Symbol, unsigned K>
void decode_rows_scalar(DecodeRows<Symbol> &job) {
    if constexpr (sizeof(Symbol) == 1) {
        if (job.tables->packed()) return decode_rows_of<Symbol, K, true>(job);
    }
    decode_rows_of<Symbol, K, false>(job);
}

template <typename Symbol>
constexpr Kernels<Symbol> kScalar = {encode_rows_scalar<Symbol, kLanes>, decode_rows_scalar<Symbol, kLanes>,
                                     [](DecodeRows<Symbol> &, DecodeRows<Symbol> &) {}, nullptr};

template <typename Symbol>
const Kernels<Symbol> &kernels() {
#if defined(LACONIC_X86)
    if constexpr (std::is_same_v<Symbol, uint8_t>) {
        if (active_isa() == Isa::avx512) return avx512::kernels8;
        if (active_isa() == Isa::avx2) return avx2::kernels8;
    } else {
        if (active_isa() == Isa::avx512) return avx512::kernels16;
        if (active_isa() == Isa::avx2) return avx2::kernels16;
    }
#endif
    return kScalar<Symbol>;
}

template <typename Symbol>
void decode_rows(unsigned lanes, DecodeRows<Symbol> &rows) {
    if (lanes == kFewLanes) return decode_rows_scalar<Symbol, kFewLanes>(rows);
    kernels<Symbol>().decode_rows(rows);
}

template <typename Symbol>
bool has_room(const DecodeJob<Symbol> &job) {
    return job.end - job.stream >= static_cast<ptrdiff_t>(kRowBytes);
}

template <typename Symbol>
DecodeRows<Symbol> rows_of(DecodeJob<Symbol> &job) {
    return {job.tables,
            job.symbols,
            job.contexts,
            job.table_of,
            job.n / job.lanes,
            job.stream,
            job.end - (has_room(job) ? kRowBytes : 0),
            job.states.data()};
}

// The last rows, near the stream's end, and the last symbols, which fill no row.
template <typename Symbol>
void finish(DecodeJob<Symbol> &job, DecodeRows<Symbol> &rows) {
    const PaddedTail<kRowBytes> tail(rows.stream, job.end);
    rows.stream = tail.begin();
    rows.limit = tail.end();
    decode_rows(job.lanes, rows);
    if (rows.rows > 0) throw CorruptData("entropy block: stream ends early");
    const Slots tables(*job.tables);
    for (unsigned lane = 0; lane < job.n % job.lanes && rows.stream <= tail.end(); ++lane) {
        size_t context = 0;
        if (rows.contexts != nullptr) context = rows.contexts[lane];
        if (rows.table_of != nullptr) context = rows.table_of[*(rows.symbols + lane - job.lanes)];
        rows.symbols[lane] = job.tables->packed() ? decode_one<Symbol, true>(job.states[lane], tables, context, rows.stream)
                                                  : decode_one<Symbol, false>(job.states[lane], tables, context, rows.stream);
    }
    if (rows.stream != tail.end()) throw CorruptData("entropy block: stream has the wrong length");
    for (unsigned lane = 0; lane < job.lanes; ++lane)
        if (job.states[lane] != kStart) throw CorruptData("entropy block: a lane does not end where it began");
}

}  // namespace

void decode_rows(DecodeRows<uint8_t> &rows) { kernels<uint8_t>().decode_rows(rows); }

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

void DecodeTables::build(std::span<const uint16_t> freqs, size_t alphabet, unsigned precision, size_t symbol_bytes) {
    precision_ = precision;
    packed_ = precision <= kPackedPrecision && symbol_bytes == 1;
    slots_.resize((freqs.size() / alphabet) << precision);
    symbols_.resize(packed_ ? 0 : slots_.size() + 1);
    uint32_t *slot = slots_.data();
    for (size_t k = 0; k < freqs.size(); ++k) {
        const uint32_t freq = freqs[k];
        if (freq == 0) continue;
        const uint32_t symbol = static_cast<uint32_t>(k % alphabet);
        const uint32_t first = packed_ ? packed_slot(freq, 0, symbol) : (freq - 1) << 14;
        const uint32_t step = packed_ ? 1u << 8 : 1;
        for (uint32_t bias = 0; bias < freq; ++bias) slot[bias] = first + bias * step;
        if (!packed_) std::fill_n(symbols_.data() + (slot - slots_.data()), freq, static_cast<uint16_t>(symbol));
        slot += freq;
    }
}

void write_states(BitWriter &bits, std::span<const uint32_t> states) {
    for (const uint32_t x : states) {
        const unsigned below = static_cast<unsigned>(std::bit_width(x)) - 1;
        bits.put(below - 15, 4);
        bits.put(x & ((1u << below) - 1), below);
    }
}

void read_states(BitReader &bits, std::span<uint32_t> states) {
    for (uint32_t &x : states) {
        const unsigned below = bits.get(4) + 15;
        x = 1u << below | bits.get(below);
    }
}

namespace {

template <typename Symbol>
bool has_room(const EncodeJob<Symbol> &job) {
    return job.end - job.begin >= static_cast<ptrdiff_t>(2 * job.lanes);
}

// The rows of a job, after coding the symbols behind them.
template <typename Symbol>
EncodeRows<Symbol> begin_rows(EncodeJob<Symbol> &job) {
    const unsigned lanes = job.lanes;
    EncodeRows<Symbol> rows{job.table,         static_cast<uint32_t>(job.alphabet),
                            job.precision,     job.symbols,
                            job.contexts,      job.n / lanes,
                            job.begin,         job.end,
                            job.states.data(), job.tables};
    job.states.fill(kStart);
    if (!has_room(job)) return rows;
    for (size_t i = job.n; i-- > rows.rows * lanes;) {
        const EncodeSymbol &symbol = job.table[(job.contexts == nullptr ? 0 : job.contexts[i] * job.alphabet) + job.symbols[i]];
        rows.reciprocals &= symbol.reciprocal;
        encode_one(job.states[i % lanes], symbol, job.precision, rows.stream);
    }
    return rows;
}

template <typename Symbol>
uint8_t *end_rows(const EncodeRows<Symbol> &rows, bool fits) {
    if (rows.reciprocals >> 31 == 0) throw std::invalid_argument("a symbol has no frequency in its table");
    return fits ? rows.stream : nullptr;
}

}  // namespace

template <typename Symbol>
uint8_t *encode(EncodeJob<Symbol> &job) {
    EncodeRows<Symbol> rows = begin_rows(job);
    if (!has_room(job)) return nullptr;
    return end_rows(rows,
                    job.lanes == kFewLanes ? encode_rows_scalar<Symbol, kFewLanes>(rows) : kernels<Symbol>().encode_rows(rows));
}

std::array<uint8_t *, 2> encode_pair(EncodeJob<uint8_t> &first, EncodeJob<uint8_t> &second) {
    const auto in_step = kernels<uint8_t>().encode_rows_pair;
    if (in_step == nullptr || first.lanes != kLanes || second.lanes != kLanes || !has_room(first) || !has_room(second))
        return {encode(first), encode(second)};
    EncodeRows<uint8_t> rows[2] = {begin_rows(first), begin_rows(second)};
    const bool fits = in_step(rows[0], rows[1]);
    return {end_rows(rows[0], fits), end_rows(rows[1], fits)};
}

template <typename Symbol>
void decode(DecodeJob<Symbol> &job) {
    DecodeRows<Symbol> rows = rows_of(job);
    if (has_room(job)) decode_rows(job.lanes, rows);
    finish(job, rows);
}

template <typename Symbol>
void decode_pair(DecodeJob<Symbol> &first, DecodeJob<Symbol> &second) {
    DecodeRows<Symbol> rows[2] = {rows_of(first), rows_of(second)};
    if (has_room(first) && has_room(second) && first.lanes == kLanes && second.lanes == kLanes)
        kernels<Symbol>().decode_rows_pair(rows[0], rows[1]);
    if (has_room(first)) decode_rows(first.lanes, rows[0]);
    if (has_room(second)) decode_rows(second.lanes, rows[1]);
    finish(first, rows[0]);
    finish(second, rows[1]);
}

uint8_t *encode_segments(std::span<const EncodeSegment> segments, unsigned precision, uint8_t *begin, uint8_t *end,
                         std::array<uint32_t, kLanes> &states) {
    states.fill(kStart);
    if (end - begin < static_cast<ptrdiff_t>(kRowBytes)) return nullptr;
    uint8_t *stream = end;
    for (size_t k = segments.size(); k-- > 0;) {
        const EncodeSegment &segment = segments[k];
        EncodeRows<uint8_t> rows{segment.table,      256,   precision, segment.symbols, nullptr,
                                 segment.n / kLanes, begin, stream,    states.data()};
        for (size_t i = segment.n; i-- > rows.rows * kLanes;) {
            const EncodeSymbol &symbol = segment.table[segment.symbols[i]];
            rows.reciprocals &= symbol.reciprocal;
            encode_one(states[i % kLanes], symbol, precision, rows.stream);
        }
        const bool fits = kernels<uint8_t>().encode_rows(rows);
        if (rows.reciprocals >> 31 == 0) throw std::invalid_argument("a symbol has no frequency in its table");
        if (!fits) return nullptr;
        stream = rows.stream;
    }
    return stream;
}

namespace {

// One of the streams on its way: the rows of its present segment.
class SegmentsRun {
public:
    explicit SegmentsRun(DecodeSegments &job) : job_(job), has_room_(job.end - job.stream >= static_cast<ptrdiff_t>(kRowBytes)) {
        rows = {&tables_,         job.symbols, nullptr, nullptr, 0, job.stream, has_room_ ? job.end - kRowBytes : job.end,
                job.states.data()};
    }

    DecodeRows<uint8_t> rows;

    // Whether there are rows to decode, after the next segment's table was built where one ended.
    bool ready() {
        while (rows.rows == 0 && next_ < job_.lengths.size()) {
            tables_.build(std::span(job_.freqs).subspan(256 * next_, 256), 256, job_.precision, 1);
            rows.rows = job_.lengths[next_++] / kLanes;
        }
        return rows.rows > 0 && rows.stream <= rows.limit;
    }
    bool ready_with_room() { return has_room_ && ready(); }

    void finish() {
        while (ready_with_room()) kernels<uint8_t>().decode_rows(rows);
        const PaddedTail<kRowBytes> tail(rows.stream, job_.end);
        rows.stream = tail.begin();
        rows.limit = tail.end();
        while (ready()) kernels<uint8_t>().decode_rows(rows);
        if (rows.rows > 0) throw CorruptData("entropy block: stream ends early");
        const Slots slots(tables_);
        for (unsigned lane = 0; lane < job_.lengths.back() % kLanes && rows.stream <= tail.end(); ++lane)
            rows.symbols[lane] = tables_.packed() ? decode_one<uint8_t, true>(job_.states[lane], slots, 0, rows.stream)
                                                  : decode_one<uint8_t, false>(job_.states[lane], slots, 0, rows.stream);
        if (rows.stream != tail.end()) throw CorruptData("entropy block: stream has the wrong length");
        for (const uint32_t state : job_.states)
            if (state != kStart) throw CorruptData("entropy block: a lane does not end where it began");
    }

private:
    DecodeSegments &job_;
    DecodeTables tables_;
    bool has_room_;
    size_t next_ = 0;
};

}  // namespace

void decode_segments_pair(DecodeSegments &first, DecodeSegments &second) {
    SegmentsRun a(first), b(second);
    while (a.ready_with_room() && b.ready_with_room()) {
        const size_t left = a.rows.rows + b.rows.rows;
        kernels<uint8_t>().decode_rows_pair(a.rows, b.rows);
        if (a.rows.rows + b.rows.rows == left) break;  // an instruction set without pairs
    }
    a.finish();
    b.finish();
}

template uint8_t *encode(EncodeJob<uint8_t> &job);
template uint8_t *encode(EncodeJob<uint16_t> &job);
template void decode(DecodeJob<uint8_t> &job);
template void decode(DecodeJob<uint16_t> &job);
template void decode_pair(DecodeJob<uint8_t> &first, DecodeJob<uint8_t> &second);
template void decode_pair(DecodeJob<uint16_t> &first, DecodeJob<uint16_t> &second);

}  // namespace laconic::entropy::rans_b
