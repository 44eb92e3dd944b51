#include "cuda/host_steps.h"

#include <array>
#include <memory>

#include "cuda/decode_steps.h"
#include "cuda/encode_steps.h"
#include "entropy/error.h"
#include "entropy/histogram.h"
#include "entropy/rans_b.h"
#include "entropy/tables.h"

namespace laconic::cuda {

namespace {

template <typename Output>
bool step(const uint8_t *data, size_t size, const Output &output, size_t n) {
    const auto scratch = std::make_unique<Scratch>();
    const Status status = decode_block(HostWarp(), data, size, output, n, *scratch);
    if (status == kCorrupt) throw CorruptData("entropy block: damaged");
    return status == kOk;
}

}  // namespace

bool decode_block_stepped(const uint8_t *data, size_t size, uint8_t *symbols, size_t n) {
    return step(data, size, Bytes{symbols}, n);
}

bool decode_pairs_stepped(const uint8_t *data, size_t size, const uint8_t *low, unsigned rotation, uint16_t *elements, size_t n) {
    return step(data, size, Pairs{elements, low, rotation}, n);
}

std::vector<uint8_t> encode_block_stepped(const uint8_t *symbols, size_t n, unsigned precision) {
    entropy::ByteCounts counts;
    entropy::count_bytes(symbols, n, counts);
    std::array<uint16_t, 256> freqs{};
    std::array<entropy::rans_b::EncodeSymbol, 256> table{};
    std::array<uint8_t, 2048> bytes;
    entropy::BitWriter bits(bytes.data(), bytes.size());
    if (n != 0) {
        entropy::normalise(counts, precision, freqs);
        entropy::rans_b::build_encode_table(freqs, table.data());
        entropy::write_table(bits, freqs, precision);
    }
    const uint32_t bit_count = static_cast<uint32_t>(bits.bit_count());
    bits.finish();
    std::vector<uint8_t> out(n + 1024);
    const auto scratch = std::make_unique<Scratch>();
    out.resize(encode_block_b(HostWarp(), symbols, static_cast<uint32_t>(n), {table.data(), bytes.data(), bit_count, precision},
                              out.data(), static_cast<uint32_t>(out.size()), *scratch));
    return out;
}

}  // namespace laconic::cuda
