#include "entropy/block_a.h"

#include <algorithm>
#include <array>
#include <vector>

#include "entropy/block.h"
#include "entropy/rans_a.h"
#include "entropy/symbol_set.h"

namespace laconic::entropy {
namespace {

constexpr size_t kEscapeBytes = 3;  // a gap of up to 2^14 and a value; more is rare

// The symbols that have no slot: for each the symbols since the one before, and its value.
struct Escapes {
    size_t count = 0;
    size_t next = 0;  // one past the last
    std::vector<uint8_t> list;
};

struct Range {
    uint8_t least = 255, most = 0;

    void include(uint8_t symbol) {
        least = std::min(least, symbol);
        most = std::max(most, symbol);
    }
};

// Those of symbols[first, end); widens `range` to all symbols that will be coded. False when the list would take `most_bytes`.
bool find_escapes(const uint8_t *symbols, size_t first, size_t end, const Freqs &freqs, size_t most_bytes, Escapes &escapes,
                  Range &range) {
    SymbolSet without_slot;
    for (unsigned s = 0; s < 256; ++s) {
        if (freqs[s] == 0)
            without_slot.insert(static_cast<uint8_t>(s));
        else
            range.include(static_cast<uint8_t>(s));
    }
    for (size_t i; (i = find_member(without_slot, symbols, first, end)) < end; first = i + 1) {
        if (escapes.list.size() >= most_bytes) return false;
        uint8_t entry[8];
        uint8_t *last = write_varint(entry, i - escapes.next);
        *last++ = symbols[i];
        escapes.list.insert(escapes.list.end(), entry, last);
        range.include(symbols[i]);
        escapes.next = i + 1;
        ++escapes.count;
    }
    return true;
}

}  // namespace

PlanA plan_a(const ByteCounts &counts, size_t total) {
    PlanA plan{{}, 0, SIZE_MAX};
    // A slot costs the other symbols total * log2(256 / 255) bits and saves its own ~18 bits an occurrence.
    ByteCounts kept;
    unsigned live = 0;
    size_t escapes = 0;
    for (unsigned s = 0; s < 256; ++s) {
        kept[s] = static_cast<uint64_t>(counts[s]) * 3200 >= total ? counts[s] : 0;
        live += kept[s] != 0;
        escapes += counts[s] - kept[s];
        if (counts[s] > counts[plan.stand_in]) plan.stand_in = static_cast<uint8_t>(s);
    }
    if (live < 2) return plan;
    normalise(kept, rans_a::kPrecision, plan.freqs);
    plan.size = 1 + table_bytes(plan.freqs, rans_a::kPrecision) + 1 + kEscapeBytes * escapes + 2 * rans_a::kLanes +
                bytes_of(coded_size(kept, plan.freqs, rans_a::kPrecision));
    return plan;
}

size_t encode_a(const uint8_t *symbols, std::span<const SegmentA> segments, size_t most_escape_bytes, uint8_t *out) {
    Escapes escapes;
    std::vector<rans_a::EncodeTable> tables(segments.size());
    std::vector<rans_a::EncodeSegment> parts(segments.size());
    size_t n = 0, header_room = kHeaderRoom;
    for (const SegmentA &segment : segments) n += segment.n;
    most_escape_bytes = std::min(most_escape_bytes, n / 2);
    size_t first = 0;
    for (size_t k = 0; k < segments.size(); ++k) {
        const SegmentA &segment = segments[k];
        Range range;
        if (!find_escapes(symbols, first, first + segment.n, segment.plan.freqs, most_escape_bytes, escapes, range)) return 0;
        rans_a::build_encode_table(segment.plan.freqs, segment.plan.stand_in, range.least, range.most, tables[k]);
        parts[k] = {&tables[k], symbols + first, segment.n};
        first += segment.n;
    }
    const bool segmented = segments.size() > 1;
    uint8_t *const end = out + block_bound(n);
    uint8_t *header = out;
    *header++ = first_byte(segmented ? Form::a_segments : Form::a, rans_a::kPrecision);
    if (segmented) header = write_segment_rows(segments, header);
    header_room = segments.size() * kHeaderRoom;
    if (static_cast<size_t>(end - header) < header_room + escapes.list.size()) return 0;
    BitWriter bits(header, header_room);
    for (const SegmentA &segment : segments) write_table(bits, segment.plan.freqs, rans_a::kPrecision);
    header = write_varint(header + bits.finish(), escapes.count);
    header = std::copy(escapes.list.begin(), escapes.list.end(), header);
    std::array<uint16_t, rans_a::kLanes> states;
    uint8_t *const after = header + 2 * rans_a::kLanes;
    const uint8_t *const stream = rans_a::encode(parts, states.data(), after, end);
    if (stream == nullptr) return 0;
    for (unsigned lane = 0; lane < rans_a::kLanes; ++lane) {
        header[2 * lane] = static_cast<uint8_t>(states[lane]);
        header[2 * lane + 1] = static_cast<uint8_t>(states[lane] >> 8);
    }
    return join(out, static_cast<size_t>(after - out), stream, end);
}

void decode_a(const uint8_t *data, size_t size, unsigned precision, bool segmented, uint8_t *symbols, size_t n) {
    if (precision != rans_a::kPrecision) throw CorruptData("entropy block: no such table precision");
    const uint8_t *const end = data + size;
    const std::vector<size_t> lengths = segmented ? read_segment_lengths(data, end, n) : std::vector<size_t>{n};
    std::vector<rans_a::DecodeTable> tables(lengths.size());
    std::vector<rans_a::DecodeSegment> segments(lengths.size());
    BitReader bits(data, static_cast<size_t>(end - data));
    for (size_t k = 0; k < lengths.size(); ++k) {
        Freqs freqs;
        read_table(bits, freqs, precision);
        if (std::count(freqs.begin(), freqs.end(), 0) == 255) throw CorruptData("entropy block: profile A needs two symbols");
        rans_a::build_decode_table(freqs, tables[k]);
        segments[k] = {&tables[k], lengths[k]};
    }
    const uint8_t *escapes = data + bits.finish();
    const size_t escape_count = read_varint(escapes, end);
    const uint8_t *cursor = escapes;
    size_t position = 0;
    for (size_t k = 0; k < escape_count; ++k) {
        position += read_varint(cursor, end) + 1;
        if (position > n || cursor == end) throw CorruptData("entropy block: an escape lies outside");
        ++cursor;
    }
    if (end - cursor < static_cast<ptrdiff_t>(2 * rans_a::kLanes)) throw CorruptData("entropy block: header is cut off");
    std::array<uint16_t, rans_a::kLanes> states;
    for (unsigned lane = 0; lane < rans_a::kLanes; ++lane)
        states[lane] = static_cast<uint16_t>(cursor[2 * lane] | cursor[2 * lane + 1] << 8);
    cursor += 2 * rans_a::kLanes;
    rans_a::decode(cursor, static_cast<size_t>(end - cursor), segments, states.data(), symbols);
    position = 0;
    for (size_t k = 0; k < escape_count; ++k) {
        position += read_varint(escapes, end);
        symbols[position++] = *escapes++;
    }
}

}  // namespace laconic::entropy
