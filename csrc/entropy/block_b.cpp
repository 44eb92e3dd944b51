#include "entropy/block_b.h"

#include <array>
#include <cstring>
#include <span>
#include <vector>

#include "entropy/block.h"

namespace laconic::entropy {

PlanB plan_b(const ByteCounts &counts, size_t n, int precision) {
    PlanB best{};
    best.size = SIZE_MAX;
    // Short blocks gain from smaller tables; long ones never do.
    const unsigned most = precision != 0 ? static_cast<unsigned>(precision) : 12;
    const unsigned least = precision != 0 ? most : n < 4096 ? 10 : n < 65536 ? 11 : 12;
    for (unsigned p = least; p <= most; ++p) {
        PlanB plan{p, n < kManyLanesFrom ? rans_b::kFewLanes : rans_b::kLanes, {}, 0};
        normalise(counts, p, plan.freqs);
        plan.size = 1 + table_bytes(plan.freqs, p) + 27 * plan.lanes / 8 + bytes_of(coded_size(counts, plan.freqs, p));
        if (plan.size < best.size) best = plan;
    }
    return best;
}

size_t encode_b(const uint8_t *symbols, size_t n, const PlanB &plan, uint8_t *out) {
    std::array<rans_b::EncodeSymbol, 256> table;
    rans_b::build_encode_table(plan.freqs, table.data());
    uint8_t *const end = out + block_bound(n);
    rans_b::EncodeJob<uint8_t> job{table.data(), 256, plan.precision,    plan.lanes, symbols,
                                   nullptr,      n,   out + kHeaderRoom, end,        {}};
    const uint8_t *const stream = rans_b::encode(job);
    if (stream == nullptr) return 0;
    out[0] = first_byte(plan.lanes == rans_b::kLanes ? Form::b : Form::b_few_lanes, plan.precision);
    BitWriter bits(out + 1, kHeaderRoom - 1);
    write_table(bits, plan.freqs, plan.precision);
    rans_b::write_states(bits, std::span(job.states).first(plan.lanes));
    return join(out, 1 + bits.finish(), stream, end);
}

namespace {

// Segments, tables, states and stream of symbols in [out, end); their size, or 0 when they do not fit.
size_t encode_stream(const uint8_t *symbols, std::span<const Segment> segments, unsigned precision, uint8_t *out, uint8_t *end) {
    std::vector<std::array<rans_b::EncodeSymbol, 256>> tables(segments.size());
    std::vector<rans_b::EncodeSegment> parts;
    std::vector<Freqs> freqs(segments.size());
    for (size_t k = 0; k < segments.size(); ++k) {
        ByteCounts counts = segments[k].counts;
        if (!segments[k].exact) count_bytes(symbols, segments[k].n, counts);
        normalise(counts, precision, freqs[k]);
        rans_b::build_encode_table(freqs[k], tables[k].data());
        parts.push_back({tables[k].data(), symbols, segments[k].n});
        symbols += segments[k].n;
    }
    const size_t room = 64 + segments.size() * (kHeaderRoom + 8);
    if (static_cast<size_t>(end - out) < room) return 0;
    std::array<uint32_t, rans_b::kLanes> states;
    const uint8_t *const stream = rans_b::encode_segments(parts, precision, out + room, end, states);
    if (stream == nullptr) return 0;
    uint8_t *const header = write_segment_rows(segments, out);
    BitWriter bits(header, static_cast<size_t>(out + room - header));
    for (const Freqs &table : freqs) write_table(bits, table, precision);
    rans_b::write_states(bits, states);
    return join(out, static_cast<size_t>(header - out) + bits.finish(), stream, end);
}

void parse_stream(const uint8_t *data, const uint8_t *end, unsigned precision, uint8_t *symbols, size_t n,
                  rans_b::DecodeSegments &job) {
    job.lengths = read_segment_lengths(data, end, n);
    BitReader bits(data, static_cast<size_t>(end - data));
    for (size_t k = 0; k < job.lengths.size(); ++k) {
        Freqs freqs;
        read_table(bits, freqs, precision);
        job.freqs.insert(job.freqs.end(), freqs.begin(), freqs.end());
    }
    rans_b::read_states(bits, job.states);
    job.precision = precision;
    job.symbols = symbols;
    job.stream = data + bits.finish();
    job.end = end;
}

}  // namespace

size_t encode_b_segments(const uint8_t *symbols, std::span<const Segment> first, std::span<const Segment> second,
                         unsigned precision, uint8_t *out) {
    size_t n = 0, n_first = 0;
    for (const Segment &segment : first) n_first += segment.n;
    for (const Segment &segment : second) n += segment.n;
    n += n_first;
    uint8_t *const end = out + block_bound(n);
    constexpr size_t kSizeRoom = 6;
    const size_t size_first = encode_stream(symbols, first, precision, out + kSizeRoom, end);
    if (size_first == 0) return 0;
    out[0] = first_byte(Form::b_segments, precision);
    uint8_t *const part = write_varint(out + 1, size_first);
    std::memmove(part, out + kSizeRoom, size_first);
    const size_t size_second = encode_stream(symbols + n_first, second, precision, part + size_first, end);
    return size_second == 0 ? 0 : static_cast<size_t>(part - out) + size_first + size_second;
}

void decode_b_segments(const uint8_t *data, size_t size, unsigned precision, uint8_t *symbols, size_t n) {
    if (precision < rans_b::kMinPrecision || precision > rans_b::kMaxPrecision)
        throw CorruptData("entropy block: no such table precision");
    const uint8_t *const end = data + size;
    const size_t size_first = read_varint(data, end), n_first = first_stream_symbols(n);
    if (size_first > static_cast<size_t>(end - data)) throw CorruptData("entropy block: header is cut off");
    rans_b::DecodeSegments first, second;
    parse_stream(data, data + size_first, precision, symbols, n_first, first);
    parse_stream(data + size_first, end, precision, symbols + n_first, n - n_first, second);
    rans_b::decode_segments_pair(first, second);
}

void ParsedB::parse(const uint8_t *data, size_t size, unsigned precision, unsigned lanes, uint8_t *symbols, size_t n) {
    if (precision < rans_b::kMinPrecision || precision > rans_b::kMaxPrecision)
        throw CorruptData("entropy block: no such table precision");
    BitReader bits(data, size);
    Freqs freqs;
    read_table(bits, freqs, precision);
    rans_b::read_states(bits, std::span(job.states).first(lanes));
    tables_.build(freqs, 256, precision, 1);
    job.tables = &tables_;
    job.lanes = lanes;
    job.symbols = symbols;
    job.contexts = nullptr;
    job.table_of = nullptr;
    job.n = n;
    job.stream = data + bits.finish();
    job.end = data + size;
}

}  // namespace laconic::entropy
