#include "kv/symbol_rows.h"

#include <algorithm>
#include <array>
#include <span>

#include "entropy/rans_b.h"

namespace laconic::kv {
namespace {

namespace rans_b = entropy::rans_b;

unsigned lanes_of(size_t n) { return n < entropy::kManyLanesFrom ? rans_b::kFewLanes : rans_b::kLanes; }

// The table of each symbol in so many rows, all alike. Valid until this thread asks again.
const uint16_t *contexts_of_rows(const std::vector<uint8_t> &table_of, size_t rows) {
    thread_local std::vector<uint16_t> contexts;
    const size_t n = rows * table_of.size();
    if (contexts.size() < n) contexts.resize(n);
    std::copy(table_of.begin(), table_of.end(), contexts.begin());
    for (size_t filled = table_of.size(); filled < n; filled *= 2)
        std::copy_n(contexts.data(), std::min(filled, n - filled), contexts.data() + filled);
    return contexts.data();
}

}  // namespace

void put_symbols(std::vector<uint8_t> &out, const uint8_t *symbols, size_t rows, const ChannelTables &tables,
                 unsigned precision) {
    const size_t channels = tables.table_of.size(), upper = (rows + 1) / 2;
    std::vector<rans_b::EncodeSymbol> table(tables.freqs.size());
    for (size_t first = 0; first < table.size(); first += tables.alphabet)
        rans_b::build_encode_table(std::span(tables.freqs).subspan(first, tables.alphabet), &table[first]);
    const uint16_t *const contexts = contexts_of_rows(tables.table_of, upper);
    thread_local std::vector<uint8_t> room;
    room.resize(std::max(room.size(), 2 * upper * channels + rans_b::kRowBytes));
    std::vector<uint8_t> states(4 * rans_b::kLanes);
    for (const size_t first : {size_t{0}, upper}) {
        const size_t n = (first == 0 ? upper : rows - upper) * channels;
        rans_b::EncodeJob<uint8_t> job{
            table.data(), tables.alphabet,           precision, lanes_of(n), symbols + first * channels, contexts, n,
            room.data(),  room.data() + room.size(), {}};
        const uint8_t *const stream = rans_b::encode(job);
        entropy::BitWriter bits(states.data(), states.size());
        rans_b::write_states(bits, std::span(job.states).first(job.lanes));
        const size_t state_bytes = bits.finish();
        entropy::put_varint(out, state_bytes + static_cast<size_t>(job.end - stream));
        out.insert(out.end(), states.data(), states.data() + state_bytes);
        out.insert(out.end(), stream, static_cast<const uint8_t *>(job.end));
    }
}

void get_symbols(entropy::ByteReader &in, uint8_t *symbols, size_t rows, const ChannelTables &tables, unsigned precision) {
    const size_t channels = tables.table_of.size(), upper = (rows + 1) / 2;
    thread_local rans_b::DecodeTables slots;
    slots.build(tables.freqs, tables.alphabet, precision, 1);
    const uint16_t *const contexts = contexts_of_rows(tables.table_of, upper);
    std::array<rans_b::DecodeJob<uint8_t>, 2> jobs;
    for (size_t half = 0; half < 2; ++half) {
        const size_t first = half * upper, n = (half == 0 ? upper : rows - upper) * channels;
        const entropy::ByteReader coded = in.get_sized();
        rans_b::DecodeJob<uint8_t> &job = jobs[half];
        job = {&slots, lanes_of(n), symbols + first * channels,           contexts, nullptr,
               n,      nullptr,     coded.position() + coded.remaining(), {}};
        entropy::BitReader bits(coded.position(), coded.remaining());
        rans_b::read_states(bits, std::span(job.states).first(job.lanes));
        job.stream = coded.position() + bits.finish();
    }
    rans_b::decode_pair(jobs[0], jobs[1]);
}

}  // namespace laconic::kv
