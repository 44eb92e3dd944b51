#include "entropy/block_b.h"

#include <array>
#include <span>

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
