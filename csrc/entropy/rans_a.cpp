#include "entropy/rans_a.h"

#include <algorithm>
#include <optional>

#include "entropy/cpu.h"
#include "entropy/error.h"
#include "entropy/padded_stream.h"

namespace laconic::entropy::rans_a {
namespace {

// One byte always suffices: freq <= x >> 8 needs x < 2^16 = 256 * 256, and one shift brings it below 256 <= freq * 256.
inline void encode_one(uint16_t &state, uint8_t symbol, const EncodeTable &table, uint8_t *&stream) {
    const uint32_t freq = table.freq[symbol];
    uint32_t x = state;
    if (x >= freq << 8) {
        *--stream = static_cast<uint8_t>(x);
        x >>= 8;
    }
    uint32_t quotient = (x * table.reciprocal[symbol]) >> 16;
    if (x - quotient * freq >= freq) ++quotient;
    state = static_cast<uint16_t>(x + table.start[symbol] + quotient * (256 - freq));
}

struct PackedTable {
    std::array<uint32_t, 256> slots;

    explicit PackedTable(const DecodeTable &table) {
        for (unsigned q = 0; q < 256; ++q) slots[q] = packed_slot(table.freq[q], table.bias[q], table.symbol[q]);
    }
};

// Without a branch: r = 1 where a byte is due. Reads stream[0] in any case.
inline uint8_t decode_one(uint16_t &state, const PackedTable &table, const uint8_t *&stream) {
    const uint32_t entry = table.slots[state & 0xff];
    const uint32_t y = pop(state, entry);
    const uint32_t r = (y - 256) >> 31;
    state = static_cast<uint16_t>(y << (8 * r) | (*stream & (0u - r)));
    stream += r;
    return static_cast<uint8_t>(entry);
}

}  // namespace

void build_encode_table(std::span<const uint16_t> freqs, uint8_t stand_in, uint8_t least, uint8_t most, EncodeTable &table) {
    uint32_t start = 0;
    for (unsigned s = 0; s < 256; ++s) {
        const uint32_t freq = freqs[s];
        if (freq == 0) continue;
        table.freq[s] = static_cast<uint8_t>(freq);
        table.start[s] = static_cast<uint8_t>(start);
        table.reciprocal[s] = static_cast<uint16_t>(std::min<uint32_t>(65536 / freq, 65535));
        start += freq;
    }
    for (unsigned s = 0; s < 256; ++s) {
        if (freqs[s] != 0) continue;
        table.freq[s] = table.freq[stand_in];
        table.start[s] = table.start[stand_in];
        table.reciprocal[s] = table.reciprocal[stand_in];
    }
    table.near = most - least < 64;
    table.first = least;
}

void build_decode_table(std::span<const uint16_t> freqs, DecodeTable &table) {
    uint32_t start = 0;
    for (unsigned s = 0; s < 256; ++s) {
        for (uint32_t k = 0; k < freqs[s]; ++k) {
            table.symbol[start + k] = static_cast<uint8_t>(s);
            table.freq[start + k] = static_cast<uint8_t>(freqs[s]);
            table.bias[start + k] = static_cast<uint8_t>(k);
        }
        start += freqs[s];
    }
}

namespace {

uint8_t *encode_rows(const uint8_t *symbols, size_t rows, const EncodeTable &table, uint16_t *states, uint8_t *begin,
                     uint8_t *stream) {
    for (size_t row = rows; row-- > 0;) {
        if (stream - begin < static_cast<ptrdiff_t>(kRowBytes)) return nullptr;
        for (unsigned lane = kLanes; lane-- > 0;) encode_one(states[lane], symbols[row * kLanes + lane], table, stream);
    }
    return stream;
}

void decode_rows(DecodeRows &block) {
    const PackedTable packed(*block.table);
    const uint8_t *stream = block.stream;
    size_t row = 0;
    for (; row < block.rows && stream <= block.limit; ++row) {
        uint8_t *out = block.symbols + row * kLanes;
        for (unsigned lane = 0; lane < kLanes; ++lane) out[lane] = decode_one(block.states[lane], packed, stream);
    }
    block.advance(row, stream);
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

}  // namespace

const Kernels scalar_kernels = {encode_rows, decode_rows};

uint8_t *encode(std::span<const EncodeSegment> segments, uint16_t *states, uint8_t *begin, uint8_t *end) {
    std::fill_n(states, kLanes, kStart);
    uint8_t *stream = end;
    if (stream - begin < static_cast<ptrdiff_t>(kRowBytes)) return nullptr;
    for (size_t k = segments.size(); k-- > 0 && stream != nullptr;) {
        const EncodeSegment &segment = segments[k];
        const size_t rows = segment.n / kLanes;
        for (size_t lane = segment.n % kLanes; lane-- > 0;)
            encode_one(states[lane], segment.symbols[rows * kLanes + lane], *segment.table, stream);
        stream = kernels().encode_rows(segment.symbols, rows, *segment.table, states, begin, stream);
    }
    return stream;
}

void decode(const uint8_t *stream, size_t size, std::span<const DecodeSegment> segments, uint16_t *states, uint8_t *symbols) {
    const uint8_t *const end = stream + size;
    DecodeRows rows{nullptr, states, stream, end - std::min(size, kRowBytes), symbols, 0};
    std::optional<PaddedTail<kRowBytes>> tail;
    for (const DecodeSegment &segment : segments) {
        rows.table = segment.table;
        rows.rows = segment.n / kLanes;
        if (!tail && size >= kRowBytes) kernels().decode_rows(rows);
        if (rows.rows > 0 && !tail) {
            tail.emplace(rows.stream, end);
            rows.stream = tail->begin();
            rows.limit = tail->end();
        }
        if (tail) kernels().decode_rows(rows);
        if (rows.rows > 0) throw CorruptData("entropy block: stream ends early");
    }
    if (!tail) {
        tail.emplace(rows.stream, end);
        rows.stream = tail->begin();
    }
    const DecodeSegment &last = segments.back();
    if (const size_t rest = last.n % kLanes; rest != 0 && rows.stream <= tail->end()) {
        const PackedTable packed(*last.table);
        for (size_t lane = 0; lane < rest; ++lane) rows.symbols[lane] = decode_one(states[lane], packed, rows.stream);
    }
    if (rows.stream != tail->end()) throw CorruptData("entropy block: stream has the wrong length");
    if (std::any_of(states, states + kLanes, [](uint16_t x) { return x != kStart; }))
        throw CorruptData("entropy block: a lane does not end where it began");
}

}  // namespace laconic::entropy::rans_a
