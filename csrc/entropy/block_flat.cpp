#include "entropy/block_flat.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "entropy/block_a.h"
#include "entropy/block_b.h"
#include "entropy/block_format.h"
#include "entropy/log2_fixed.h"
#include "entropy/rans_a.h"
#include "entropy/segments.h"

namespace laconic::entropy {

size_t encode_raw(const uint8_t *symbols, size_t n, uint8_t *out) {
    out[0] = first_byte(Form::raw, 0);
    if (n != 0) std::memcpy(out + 1, symbols, n);
    return n + 1;
}

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
    const size_t size = take_a ? encode_a(symbols, std::array{SegmentA{n, a}}, n, out) : encode_b(symbols, n, b, out);
    return size == 0 || size > n ? encode_raw(symbols, n, out) : size;
}

size_t encode_sampled(const uint8_t *symbols, size_t n, uint8_t *out, const BlockOptions &options) {
    ByteCounts counts;
    const size_t total = count_bytes_sampled(symbols, n, counts);
    if (*std::max_element(counts.begin(), counts.end()) >= total - total / 4) return 0;
    const PlanA a = plan_a(counts, total);
    if (a.size >= total) return 0;
    if (options.profile != Profile::a) {
        const PlanB b = plan_b(counts, total, options.precision);
        const size_t states = 2 * rans_a::kLanes - 27 * rans_b::kLanes / 8;  // both are for the whole block, not for the sample
        if (a.size - states + states / 4 > b.size + b.size / 24) return 0;
    }
    const SegmentA all{n, a};
    const size_t size = encode_a(symbols, {&all, 1}, n / 128, out);
    return size > n ? 0 : size;
}

namespace {

uint64_t entropy_bits(const Segment &segment) {
    const Log2Fixed log2_fixed;
    uint64_t sum = segment.counted * static_cast<uint64_t>(log2_fixed(static_cast<uint32_t>(segment.counted)));
    for (const uint32_t count : segment.counts)
        if (count > 1) sum -= count * static_cast<uint64_t>(log2_fixed(count));
    return (sum >> kLogBits) * segment.n / segment.counted;
}

// What profile A takes at least, about: a slot in 256 is the least that a symbol has, and takes from the others.
uint64_t least_bits_a(const Segment &segment) {
    const Log2Fixed log2_fixed;
    const uint32_t slot = static_cast<uint32_t>(segment.counted / 256);
    uint64_t slots = 0, sum = 0;
    for (const uint32_t count : segment.counts) slots += count == 0 ? 0 : std::max(count, slot);
    for (const uint32_t count : segment.counts)
        if (count != 0)
            sum += count * (static_cast<uint64_t>(log2_fixed(static_cast<uint32_t>(slots))) - log2_fixed(std::max(count, slot)));
    return (sum >> kLogBits) * segment.n / segment.counted;
}

bool mostly_one(const Segment &segment) {
    return *std::max_element(segment.counts.begin(), segment.counts.end()) > segment.counted - segment.counted / 4;
}

constexpr size_t kTableBytes = 50;  // of profile B, about

}  // namespace

size_t encode_segments(const uint8_t *symbols, size_t n, uint8_t *out, const BlockOptions &options) {
    const size_t n_first = first_stream_symbols(n);
    const Granules granules(symbols, n, options.prefer_speed);
    const std::vector<Segment> segments = granules.segments();
    size_t skewed = 0;
    uint64_t bits_b = 0, bits_a = 0, least_a = 0;
    for (const Segment &segment : segments) {
        if (mostly_one(segment)) skewed += segment.n;
        bits_b += entropy_bits(segment) + 8 * kTableBytes;
        least_a += least_bits_a(segment);
    }
    const uint64_t most_a = bits_b + (options.prefer_speed ? bits_b / 24 : 0);
    std::vector<SegmentA> a;
    if (least_a > most_a + most_a / 64) bits_a = UINT64_MAX;
    for (const Segment &segment : segments) {
        if (bits_a == UINT64_MAX) break;
        a.push_back({segment.n, plan_a(segment.counts, segment.counted)});
        // The plan's size is that of the sample, with states that the segments share.
        if (bits_a != UINT64_MAX)
            bits_a = a.back().plan.size == SIZE_MAX
                         ? UINT64_MAX
                         : bits_a + 8 * (a.back().plan.size - 2 * rans_a::kLanes) * segment.n / segment.counted;
    }
    if (skewed > n / 4) return 0;
    if (std::min(bits_a, bits_b) / 8 > n - n / 256) return encode_raw(symbols, n, out);
    size_t size = 0;
    if (bits_a <= most_a) size = encode_a(symbols, a, n / 64, out);
    if (size == 0) {
        const auto first = granules.part(0, n_first).segments(), second = granules.part(n_first, n - n_first).segments();
        size = encode_b_segments(symbols, first, second, options.precision == 0 ? 12 : static_cast<unsigned>(options.precision),
                                 out);
    }
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
        case Form::a_segments:
            return decode_a(data, size, precision, form == Form::a_segments, symbols, n);
        case Form::b_segments:
            return decode_b_segments(data, size, precision, symbols, n);
        case Form::b:
        case Form::b_few_lanes: {
            ParsedB block;
            block.parse(data, size, precision, form == Form::b ? rans_b::kLanes : rans_b::kFewLanes, symbols, n);
            return rans_b::decode(block.job);
        }
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

}  // namespace laconic::entropy
