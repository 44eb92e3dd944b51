// Blocks of profile B (docs/entropy.md) encoded by one warp each, a row of 32 lanes at a time, from the last to the first.
// Written for DeviceWarp and HostWarp alike.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/header.h"

namespace laconic::cuda {

// A table to encode with: by symbol, and as the bits of its compact form (entropy/tables.h).
struct EncodeTable {
    const entropy::rans_b::EncodeSymbol *symbols;  // 256
    const uint8_t *bits;
    uint32_t bit_count;
    unsigned precision;
};

// Bits into bytes, least significant first.
struct BitSink {
    uint8_t *out;
    uint64_t pending = 0;
    unsigned filled = 0;

    LACONIC_WARP_CODE void put(uint32_t value, unsigned count) {
        pending |= static_cast<uint64_t>(value) << filled;
        for (filled += count; filled >= 8; filled -= 8, pending >>= 8) *out++ = static_cast<uint8_t>(pending);
    }
    // The last byte filled with zeros; where the bits end.
    LACONIC_WARP_CODE uint8_t *finish() {
        if (filled > 0) *out++ = static_cast<uint8_t>(pending);
        return out;
    }
};

// A block with 32 lanes in out[0, capacity), or a raw one where it would not be smaller than n or a symbol has no frequency.
// n <= kMostSymbols, capacity >= n + 1. Returns its size.
template <typename Warp>
LACONIC_WARP_CODE uint32_t encode_block_b(const Warp &warp, const uint8_t *symbols, uint32_t n, const EncodeTable &table,
                                          uint8_t *out, uint32_t capacity, Scratch &scratch) {
    using namespace entropy::rans_b;
    const uint32_t room = (table.bit_count + 7) / 8 + 1 + 4 * kWarp;  // most a header takes
    warp.each([&](unsigned lane) {
        for (unsigned s = lane; s < 256; s += kWarp) scratch.codes[s] = table.symbols[s];
    });
    warp.sync();
    typename Warp::template PerLane<uint32_t> x;
    typename Warp::template PerLane<EncodeSymbol> code;
    warp.each([&](unsigned lane) { x[lane] = kStart; });
    uint32_t begin = capacity;
    bool fits = n > 0;
    for (uint32_t row = (n + kWarp - 1) / kWarp * kWarp; fits && row > 0;) {
        row -= kWarp;
        // In the last row, lanes behind the end look at its first symbol and code nothing.
        const auto active = [&](unsigned lane) { return row + lane < n; };
        warp.each([&](unsigned lane) { code[lane] = scratch.codes[symbols[active(lane) ? row + lane : row]]; });
        if (warp.ballot([&](unsigned lane) { return code[lane].reciprocal == 0; }) != 0) fits = false;
        const uint32_t due =
            warp.ballot([&](unsigned lane) { return active(lane) && must_spill(x[lane], code[lane], table.precision); });
        const uint32_t bytes = 2 * count_bits(due);
        if (begin < room + bytes) fits = false;
        if (!fits) break;
        begin -= bytes;
        warp.each([&](unsigned lane) {
            if ((due >> lane & 1) != 0) {
                uint8_t *const word = out + begin + 2 * warp.rank(due, lane);
                word[0] = static_cast<uint8_t>(x[lane]);
                word[1] = static_cast<uint8_t>(x[lane] >> 8);
                x[lane] >>= 16;
            }
            if (active(lane)) x[lane] = push(x[lane], code[lane], table.precision);
        });
    }
    warp.each([&](unsigned lane) { scratch.states[lane] = x[lane]; });
    warp.sync();
    warp.once([&] {
        if (!fits) return;
        out[0] = static_cast<uint8_t>(4 | table.precision << 4);
        BitSink bits{out + 1};
        for (uint32_t k = 0; k < table.bit_count / 8; ++k) bits.put(table.bits[k], 8);
        if (table.bit_count % 8 != 0)
            bits.put(table.bits[table.bit_count / 8] & ((1u << table.bit_count % 8) - 1), table.bit_count % 8);
        for (unsigned lane = 0; lane < kWarp; ++lane) {
            unsigned below = 15;
            while (scratch.states[lane] >> below > 1) ++below;
            bits.put(below - 15, 4);
            bits.put(scratch.states[lane] & ((1u << below) - 1), below);
        }
        scratch.stream = static_cast<uint32_t>(bits.finish() - out);
    });
    const uint32_t count = capacity - begin;
    if (fits && scratch.stream + count <= n) {
        // Down to the header, four bytes a lane at a time: all lanes read before one writes.
        constexpr unsigned kAtOnce = 4;
        struct Few {
            uint8_t of[kAtOnce];
        };
        typename Warp::template PerLane<Few> few;
        for (uint32_t done = 0; done < count; done += kAtOnce * kWarp) {
            warp.each([&](unsigned lane) {
                LACONIC_UNROLL
                for (unsigned k = 0; k < kAtOnce; ++k) {
                    const uint32_t at = done + k * kWarp + lane;
                    few[lane].of[k] = at < count ? out[begin + at] : uint8_t{0};
                }
            });
            warp.sync();
            warp.each([&](unsigned lane) {
                LACONIC_UNROLL
                for (unsigned k = 0; k < kAtOnce; ++k) {
                    const uint32_t at = done + k * kWarp + lane;
                    if (at < count) out[scratch.stream + at] = few[lane].of[k];
                }
            });
            warp.sync();
        }
        return scratch.stream + count;
    }
    warp.sync();
    warp.each([&](unsigned lane) {
        if (lane == 0) out[0] = 0;
        for (uint32_t i = lane; i < n; i += kWarp) out[i + 1] = symbols[i];
    });
    return n + 1;
}

}  // namespace laconic::cuda
