// The CUDA kernels' code with a thread for each lane of the warp, for ThreadSanitizer: where lanes share memory without waiting
// for each other, it says so. The steps of one lane are those of the device; only a ballot, `once` and `sync` bring the lanes
// together.
//
// Arguments: decode | pairs BLOCK EXPECTED, with the low bytes of pairs all 0x5a and rotated by 1; or encode SYMBOLS BLOCK. Exit
// code 0 if equal.
#include <array>
#include <barrier>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cuda/decode_steps.h"
#include "cuda/encode_steps.h"
#include "entropy/histogram.h"
#include "entropy/rans_b.h"
#include "entropy/tables.h"

using namespace laconic;
using cuda::kWarp;

namespace {

struct Meeting {
    std::barrier<> all{kWarp};
    std::array<bool, kWarp> votes{};
};

struct ThreadWarp {
    Meeting *meeting;
    unsigned lane;

    template <typename T>
    struct PerLane {
        T value;
        T &operator[](unsigned) { return value; }
    };

    template <typename F>
    void each(F &&f) const {
        f(lane);
    }
    template <typename F>
    uint32_t ballot(F &&f) const {
        meeting->votes[lane] = f(lane);
        sync();
        uint32_t mask = 0;
        for (unsigned k = 0; k < kWarp; ++k) mask |= static_cast<uint32_t>(meeting->votes[k]) << k;
        sync();
        return mask;
    }
    unsigned rank(uint32_t mask, unsigned) const { return cuda::count_bits(mask & ((1u << lane) - 1)); }
    template <typename F>
    void once(F &&f) const {
        sync();
        if (lane == 0) f();
        sync();
    }
    void sync() const { meeting->all.arrive_and_wait(); }
};

template <typename F>
void run(F &&f) {
    Meeting meeting;
    std::vector<std::jthread> lanes;
    for (unsigned lane = 0; lane < kWarp; ++lane) lanes.emplace_back([&, lane] { f(ThreadWarp{&meeting, lane}); });
}

std::vector<uint8_t> read(const char *path) {
    std::ifstream in(path, std::ios::binary);
    const std::vector<char> text((std::istreambuf_iterator<char>(in)), {});
    return {text.begin(), text.end()};
}

template <typename Element, typename MakeOutput>
std::vector<Element> decode(const std::vector<uint8_t> &block, size_t n, MakeOutput &&output) {
    std::vector<Element> out(n);
    const auto scratch = std::make_unique<cuda::Scratch>();
    std::array<cuda::Status, kWarp> status{};
    run([&](const ThreadWarp &warp) {
        status[warp.lane] = cuda::decode_block(warp, block.data(), block.size(), output(out.data()), n, *scratch);
    });
    for (const cuda::Status s : status)
        if (s != cuda::kOk) std::exit(3);
    return out;
}

std::vector<uint8_t> encode(const std::vector<uint8_t> &symbols) {
    entropy::ByteCounts counts;
    entropy::count_bytes(symbols.data(), symbols.size(), counts);
    std::array<uint16_t, 256> freqs{};
    entropy::normalise(counts, 12, freqs);
    std::array<entropy::rans_b::EncodeSymbol, 256> table;
    entropy::rans_b::build_encode_table(freqs, table.data());
    std::array<uint8_t, 2048> bytes;
    entropy::BitWriter bits(bytes.data(), bytes.size());
    entropy::write_table(bits, freqs, 12);
    const auto bit_count = static_cast<uint32_t>(bits.bit_count());
    bits.finish();
    const auto n = static_cast<uint32_t>(symbols.size());
    std::vector<uint8_t> out(n + 1024);
    const auto scratch = std::make_unique<cuda::Scratch>();
    std::array<uint32_t, kWarp> sizes{};
    run([&](const ThreadWarp &warp) {
        sizes[warp.lane] = cuda::encode_block_b(warp, symbols.data(), n, {table.data(), bytes.data(), bit_count, 12}, out.data(),
                                                n + 1024, *scratch);
    });
    out.resize(sizes[0]);
    return out;
}

}  // namespace

int main(int, char **arguments) {
    const std::string mode = arguments[1];
    const std::vector<uint8_t> first = read(arguments[2]), second = read(arguments[3]);
    if (mode == "encode") return encode(first) == second ? 0 : 1;
    if (mode == "decode")
        return decode<uint8_t>(first, second.size(), [](uint8_t *out) { return cuda::Bytes{out}; }) == second ? 0 : 1;
    const std::vector<uint8_t> low(second.size(), 0x5a);
    const auto elements = decode<uint16_t>(first, second.size(), [&](uint16_t *out) { return cuda::Pairs{out, low.data(), 1}; });
    for (size_t i = 0; i < elements.size(); ++i)
        if (elements[i] != (second[i] << 8 | 0x5a) >> 1) return 1;  // an even number: nothing to rotate to the top
    return 0;
}
