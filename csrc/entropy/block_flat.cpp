#include "entropy/block_flat.h"

#include <algorithm>
#include <cstring>

#include "entropy/block_a.h"
#include "entropy/block_b.h"
#include "entropy/block_format.h"
#include "entropy/rans_a.h"

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
    const size_t size = take_a ? encode_a(symbols, n, a, n, out) : encode_b(symbols, n, b, out);
    return size == 0 || size > n ? encode_raw(symbols, n, out) : size;
}

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
