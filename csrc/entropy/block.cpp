#include "entropy/block.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "entropy/block_format.h"
#include "entropy/histogram.h"
#include "entropy/noise.h"
#include "entropy/log2_fixed.h"
#include "entropy/rans_a.h"
#include "entropy/rans_b.h"
#include "entropy/symbol_set.h"
#include "entropy/tables.h"

namespace laconic::entropy {
namespace {

using Freqs = std::array<uint16_t, 256>;

size_t bytes_of(uint64_t fixed_bits) { return static_cast<size_t>((fixed_bits >> kLogBits) / 8 + 1); }

uint8_t first_byte(Form form, unsigned precision) { return static_cast<uint8_t>(static_cast<unsigned>(form) | precision << 4); }

size_t encode_raw(const uint8_t *symbols, size_t n, uint8_t *out) {
    out[0] = first_byte(Form::raw, 0);
    if (n != 0) std::memcpy(out + 1, symbols, n);
    return n + 1;
}

// Moves the stream, coded at the end of the room, next to its header.
size_t join(uint8_t *out, size_t header, const uint8_t *stream, const uint8_t *end) {
    const size_t size = static_cast<size_t>(end - stream);
    std::memmove(out + header, stream, size);
    return header + size;
}

// ---- profile B ----

struct PlanB {
    unsigned precision;
    unsigned lanes;
    Freqs freqs;
    size_t size;  // estimated
};

size_t table_bytes(const Freqs &freqs, unsigned precision) {
    std::array<uint8_t, kHeaderRoom> buffer;
    BitWriter bits(buffer.data(), buffer.size());
    write_table(bits, freqs, precision);
    return bits.finish();
}

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

// 0 when it does not fit.
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

// A block of profile B with its header read.
struct ParsedB {
    rans_b::DecodeTables tables;
    rans_b::DecodeJob<uint8_t> job;

    void parse(const uint8_t *data, size_t size, unsigned precision, unsigned lanes, uint8_t *symbols, size_t n) {
        if (precision < rans_b::kMinPrecision || precision > rans_b::kMaxPrecision)
            throw CorruptData("entropy block: no such table precision");
        BitReader bits(data, size);
        Freqs freqs;
        read_table(bits, freqs, precision);
        rans_b::read_states(bits, std::span(job.states).first(lanes));
        tables.build(freqs, 256, precision, 1);
        job.tables = &tables;
        job.lanes = lanes;
        job.symbols = symbols;
        job.contexts = nullptr;
        job.table_of = nullptr;
        job.n = n;
        job.stream = data + bits.finish();
        job.end = data + size;
    }
};

void decode_b(const uint8_t *data, size_t size, unsigned precision, unsigned lanes, uint8_t *symbols, size_t n) {
    ParsedB block;
    block.parse(data, size, precision, lanes, symbols, n);
    rans_b::decode(block.job);
}

// ---- profile A ----

struct PlanA {
    Freqs freqs;
    uint8_t stand_in;  // the most frequent symbol, coded where an escape stands
    size_t size;       // estimated; SIZE_MAX when A can't code this
};

constexpr size_t kEscapeBytes = 3;  // a gap of up to 2^14 and a value; more is rare

// counts may be of a sample; total is their sum.
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

// The symbols that have no slot: for each the symbols since the one before, and its value.
struct Escapes {
    size_t count = 0;
    std::vector<uint8_t> list;
    uint8_t least, most;  // all symbols of the block lie between
};

// False when the list would take `most_bytes`.
bool find_escapes(const uint8_t *symbols, size_t n, const Freqs &freqs, size_t most_bytes, Escapes &escapes) {
    SymbolSet without_slot;
    escapes.least = 255;
    escapes.most = 0;
    const auto include = [&](uint8_t symbol) {
        escapes.least = std::min(escapes.least, symbol);
        escapes.most = std::max(escapes.most, symbol);
    };
    for (unsigned s = 0; s < 256; ++s) {
        if (freqs[s] == 0)
            without_slot.insert(static_cast<uint8_t>(s));
        else
            include(static_cast<uint8_t>(s));
    }
    size_t next = 0;
    for (size_t i; (i = find_member(without_slot, symbols, next, n)) < n; next = i + 1) {
        if (escapes.list.size() >= most_bytes) return false;
        uint8_t entry[8];
        uint8_t *end = write_varint(entry, i - next);
        *end++ = symbols[i];
        escapes.list.insert(escapes.list.end(), entry, end);
        include(symbols[i]);
        ++escapes.count;
    }
    return true;
}

// 0 when it does not fit, or when escapes take most_escape_bytes.
size_t encode_a(const uint8_t *symbols, size_t n, const PlanA &plan, size_t most_escape_bytes, uint8_t *out) {
    Escapes escapes;
    if (!find_escapes(symbols, n, plan.freqs, std::min(most_escape_bytes, n / 2), escapes)) return 0;
    uint8_t *const end = out + block_bound(n);
    out[0] = first_byte(Form::a, rans_a::kPrecision);
    BitWriter bits(out + 1, kHeaderRoom - 1);
    write_table(bits, plan.freqs, rans_a::kPrecision);
    uint8_t *header = write_varint(out + 1 + bits.finish(), escapes.count);
    header = std::copy(escapes.list.begin(), escapes.list.end(), header);
    rans_a::EncodeTable table;
    rans_a::build_encode_table(plan.freqs, plan.stand_in, escapes.least, escapes.most, table);
    std::array<uint16_t, rans_a::kLanes> states;
    uint8_t *const after = header + 2 * rans_a::kLanes;
    const uint8_t *const stream = rans_a::encode(symbols, n, table, states.data(), after, end);
    if (stream == nullptr) return 0;
    for (unsigned lane = 0; lane < rans_a::kLanes; ++lane) {
        header[2 * lane] = static_cast<uint8_t>(states[lane]);
        header[2 * lane + 1] = static_cast<uint8_t>(states[lane] >> 8);
    }
    return join(out, static_cast<size_t>(after - out), stream, end);
}

void decode_a(const uint8_t *data, size_t size, unsigned precision, uint8_t *symbols, size_t n) {
    if (precision != rans_a::kPrecision) throw CorruptData("entropy block: no such table precision");
    const uint8_t *const end = data + size;
    BitReader bits(data, size);
    Freqs freqs;
    read_table(bits, freqs, precision);
    if (std::count(freqs.begin(), freqs.end(), 0) == 255) throw CorruptData("entropy block: profile A needs two symbols");
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
    rans_a::DecodeTable table;
    rans_a::build_decode_table(freqs, table);
    rans_a::decode(cursor, static_cast<size_t>(end - cursor), table, states.data(), symbols, n);
    position = 0;
    for (size_t k = 0; k < escape_count; ++k) {
        position += read_varint(escapes, end);
        symbols[position++] = *escapes++;
    }
}

// ---- runs of one symbol ----

size_t encode_flat(const uint8_t *symbols, size_t n, const ByteCounts &counts, uint8_t *out, const BlockOptions &options);
void decode_flat(const uint8_t *data, size_t size, uint8_t *symbols, size_t n);

constexpr uint8_t kLongGap = 255;  // 255 dominant symbols and no other one yet

// Gaps between the symbols that are not `dominant`, and those symbols; each list is a block of its own. 0 when that takes `most`
// bytes or more.
size_t encode_run(const uint8_t *symbols, size_t n, const ByteCounts &counts, uint8_t dominant, size_t most, uint8_t *out) {
    std::vector<uint8_t> gaps, others;
    others.reserve(n - counts[dominant]);
    gaps.reserve(n - counts[dominant] + n / kLongGap);
    size_t gap = 0;
    for (size_t i = 0; i < n; ++i) {
        if (symbols[i] == dominant) {
            ++gap;
            continue;
        }
        for (; gap >= kLongGap; gap -= kLongGap) gaps.push_back(kLongGap);
        gaps.push_back(static_cast<uint8_t>(gap));
        others.push_back(symbols[i]);
        gap = 0;
    }
    std::vector<uint8_t> parts(block_bound(gaps.size()) + block_bound(others.size()));
    ByteCounts part_counts;
    count_bytes(gaps.data(), gaps.size(), part_counts);
    const size_t gaps_size = encode_flat(gaps.data(), gaps.size(), part_counts, parts.data(), {});
    count_bytes(others.data(), others.size(), part_counts);
    const size_t others_size = encode_flat(others.data(), others.size(), part_counts, parts.data() + gaps_size, {});
    std::array<uint8_t, 16> header{first_byte(Form::run, 0), dominant};
    uint8_t *header_end = write_varint(write_varint(header.data() + 2, gaps.size()), gaps_size);
    const size_t header_size = static_cast<size_t>(header_end - header.data());
    const size_t size = header_size + gaps_size + others_size;
    if (size >= most) return 0;
    std::memcpy(out, header.data(), header_size);
    std::memcpy(out + header_size, parts.data(), gaps_size + others_size);
    return size;
}

void decode_run(const uint8_t *data, size_t size, uint8_t *symbols, size_t n) {
    const uint8_t *const end = data + size;
    if (data == end) throw CorruptData("entropy block: header is cut off");
    const uint8_t dominant = *data++;
    const size_t gap_count = read_varint(data, end);
    const size_t gaps_size = read_varint(data, end);
    if (gap_count > n || gaps_size > static_cast<size_t>(end - data)) throw CorruptData("entropy block: runs pass the block");
    std::vector<uint8_t> gaps(gap_count);
    decode_flat(data, gaps_size, gaps.data(), gap_count);
    data += gaps_size;
    std::vector<uint8_t> others(
        static_cast<size_t>(std::count_if(gaps.begin(), gaps.end(), [](uint8_t g) { return g != kLongGap; })));
    decode_flat(data, static_cast<size_t>(end - data), others.data(), others.size());
    if (n != 0) std::memset(symbols, dominant, n);
    size_t position = 0, k = 0;
    for (const uint8_t gap : gaps) {
        position += gap;
        if (gap == kLongGap) continue;
        if (position >= n) throw CorruptData("entropy block: runs pass the block");
        symbols[position++] = others[k++];
    }
}

// ---- choice ----

// Every form but runs.
size_t encode_flat(const uint8_t *symbols, size_t n, const ByteCounts &counts, uint8_t *out, const BlockOptions &options) {
    if (n == 0 || options.profile == Profile::raw) return encode_raw(symbols, n, out);
    if (counts[symbols[0]] == n) {
        out[0] = first_byte(Form::constant, 0);
        out[1] = symbols[0];
        return n == 1 ? encode_raw(symbols, n, out) : 2;
    }
    const bool automatic = options.profile == Profile::automatic || options.profile == Profile::run;
    PlanB b{};
    b.size = SIZE_MAX;
    if (automatic || options.profile == Profile::b) b = plan_b(counts, n, options.precision);
    PlanA a{};
    a.size = SIZE_MAX;
    if (options.profile == Profile::a || (automatic && n >= kProfileAFrom)) a = plan_a(counts, n);
    const size_t tolerance = options.prefer_speed ? b.size / 24 : 0;
    const bool take_a = options.profile == Profile::a || (automatic && a.size != SIZE_MAX && a.size <= b.size + tolerance);
    if (std::min(a.size, b.size) > n) return encode_raw(symbols, n, out);
    const size_t size = take_a ? encode_a(symbols, n, a, n, out) : encode_b(symbols, n, b, out);
    return size == 0 || size > n ? encode_raw(symbols, n, out) : size;
}

void decode_flat(const uint8_t *data, size_t size, uint8_t *symbols, size_t n) {
    if (size == 0) throw CorruptData("entropy block: it is empty");
    const unsigned precision = data[0] >> 4;
    const Form form{static_cast<uint8_t>(data[0] & 15)};
    ++data;
    --size;
    switch (form) {
        case Form::a:
            return decode_a(data, size, precision, symbols, n);
        case Form::b:
            return decode_b(data, size, precision, rans_b::kLanes, symbols, n);
        case Form::b_few_lanes:
            return decode_b(data, size, precision, rans_b::kFewLanes, symbols, n);
        case Form::raw:
            if (precision != 0 || size != n) break;
            if (n != 0) std::memcpy(symbols, data, n);
            return;
        case Form::constant:
            if (precision != 0 || size != 1) break;
            if (n != 0) std::memset(symbols, data[0], n);
            return;
        case Form::run:
            break;
    }
    throw CorruptData("entropy block: no such form, or of the wrong size");
}

// Profile A from a sample of the symbols, where speed is asked for: counting them all would take as long as coding them. 0 when
// the sample speaks for another form, or does not stand for the whole.
size_t encode_sampled(const uint8_t *symbols, size_t n, uint8_t *out, const BlockOptions &options) {
    ByteCounts counts;
    count_bytes_sampled(symbols, n, counts);
    const size_t total = n / 1024 * 256;
    if (*std::max_element(counts.begin(), counts.end()) >= total - total / 4) return 0;
    const PlanA a = plan_a(counts, total);
    if (a.size >= total) return 0;
    if (options.profile != Profile::a) {
        const PlanB b = plan_b(counts, total, options.precision);
        const size_t states = 2 * rans_a::kLanes - 27 * rans_b::kLanes / 8;  // both are for the whole block, not for the sample
        if (a.size - states + states / 4 > b.size + b.size / 24) return 0;
    }
    const size_t size = encode_a(symbols, n, a, n / 128, out);
    return size > n ? 0 : size;
}

}  // namespace

size_t block_bound(size_t n) { return n + kHeaderRoom + 2 * rans_a::kLanes; }

size_t encode_block(const uint8_t *symbols, size_t n, uint8_t *out, const BlockOptions &options) {
    if (n > kMaxBlockSymbols) throw std::invalid_argument("a block holds at most 2^24 symbols");
    if (options.precision != 0 && (options.precision < static_cast<int>(rans_b::kMinPrecision) ||
                                   options.precision > static_cast<int>(rans_b::kMaxPrecision)))
        throw std::invalid_argument("precision must be 10 to 14, or 0");
    if (options.profile == Profile::automatic && looks_like_noise(symbols, n)) return encode_raw(symbols, n, out);
    const bool fast = options.profile == Profile::a || (options.profile == Profile::automatic && options.prefer_speed);
    if (fast && n >= kSampleFrom)
        if (const size_t size = encode_sampled(symbols, n, out, options)) return size;
    ByteCounts counts;
    count_bytes(symbols, n, counts);
    const size_t flat = encode_flat(symbols, n, counts, out, options);
    if (options.profile != Profile::automatic && options.profile != Profile::run) return flat;
    const auto dominant = std::max_element(counts.begin(), counts.end());
    const bool mostly_one = *dominant >= n - n / 4;
    if (n == 0 || *dominant == n || (!mostly_one && options.profile == Profile::automatic)) return flat;
    // Runs also decode faster than anything else here, so they win when within 1/64.
    const size_t most = options.profile == Profile::run ? n + 1 : flat + flat / 64;
    const size_t run = encode_run(symbols, n, counts, static_cast<uint8_t>(dominant - counts.begin()), most, out);
    return run != 0 ? run : flat;
}

void decode_block(const uint8_t *data, size_t size, uint8_t *symbols, size_t n) {
    if (n > kMaxBlockSymbols) throw std::invalid_argument("a block holds at most 2^24 symbols");
    if (size != 0 && data[0] == static_cast<uint8_t>(Form::run)) return decode_run(data + 1, size - 1, symbols, n);
    decode_flat(data, size, symbols, n);
}

void decode_blocks(std::span<const BlockToDecode> blocks) {
    const auto is_b = [](const BlockToDecode &block) {
        return block.size != 0 && (block.data[0] & 15) == static_cast<uint8_t>(Form::b) && block.n <= kMaxBlockSymbols;
    };
    ParsedB parsed[2];
    for (size_t i = 0; i < blocks.size(); ++i) {
        if (i + 1 == blocks.size() || !is_b(blocks[i]) || !is_b(blocks[i + 1])) {
            decode_block(blocks[i].data, blocks[i].size, blocks[i].symbols, blocks[i].n);
            continue;
        }
        for (size_t k = 0; k < 2; ++k) {
            const BlockToDecode &block = blocks[i + k];
            parsed[k].parse(block.data + 1, block.size - 1, block.data[0] >> 4, rans_b::kLanes, block.symbols, block.n);
        }
        rans_b::decode_pair(parsed[0].job, parsed[1].job);
        ++i;
    }
}

const char *block_form(const uint8_t *data, size_t size) {
    if (size == 0) throw CorruptData("entropy block: it is empty");
    switch (Form{static_cast<uint8_t>(data[0] & 15)}) {
        case Form::raw:
            return "raw";
        case Form::constant:
            return "constant";
        case Form::run:
            return "run";
        case Form::a:
            return "A";
        case Form::b:
        case Form::b_few_lanes:
            return "B";
    }
    throw CorruptData("entropy block: no such form");
}

}  // namespace laconic::entropy
