// Blocks (docs/entropy.md) decoded by one warp each, a row of 32 lanes at a time. Written for DeviceWarp and HostWarp alike.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/header.h"

namespace laconic::cuda {

// Where symbols go, which are the low bytes of the words given. What an element needs beside its symbol is read `kAhead` rows of
// the warp before it is put, so that no lane waits for it between its other steps.

// As they are.
struct Bytes {
    static constexpr unsigned kAhead = 0;
    uint8_t *at;

    LACONIC_WARP_CODE uint32_t beside(uint32_t) const { return 0; }
    LACONIC_WARP_CODE void put(uint32_t i, uint32_t symbol, uint32_t) const { at[i] = static_cast<uint8_t>(symbol); }
    LACONIC_WARP_CODE Bytes from(int64_t i) const { return {at + i}; }
    LACONIC_WARP_CODE void keep() { LACONIC_KEEP(at); }
};

// With the bytes of a second plane to elements of 16 bits: the symbol on top, rotated to the right.
struct Pairs {
    static constexpr unsigned kAhead = 1;
    uint16_t *at;
    const uint8_t *low;
    unsigned rotation;  // 0 to 15

    LACONIC_WARP_CODE uint32_t beside(uint32_t i) const { return low[i]; }
    LACONIC_WARP_CODE void put(uint32_t i, uint32_t symbol, uint32_t beside) const {
        const uint32_t element = (symbol & 0xff) << 8 | beside;
        at[i] = static_cast<uint16_t>((element << 16 | element) >> rotation);
    }
    LACONIC_WARP_CODE Pairs from(int64_t i) const { return {at + i, low + i, rotation}; }
    LACONIC_WARP_CODE void keep() {
        LACONIC_KEEP(at);
        LACONIC_KEEP(low);
    }
};

template <typename Output>
LACONIC_WARP_CODE void put(const Output &out, uint32_t i, uint32_t symbol) {
    out.put(i, symbol, out.beside(i));
}

// ---- profile B ----

LACONIC_WARP_CODE uint32_t read_word(const uint8_t *stream, uint32_t word) {
    return stream[2 * word] | static_cast<uint32_t>(stream[2 * word + 1]) << 8;
}

template <typename Warp, typename Output>
LACONIC_WARP_CODE Status decode_b(const Warp &warp, const uint8_t *data, uint32_t size, unsigned precision, unsigned lanes,
                                  bool segmented, const Output &out, uint32_t n, Scratch &scratch) {
    using namespace entropy::rans_b;
    if (precision < 10 || precision > 14) return kCorrupt;
    if (precision > kMostPrecision) return kUnsupported;
    warp.once([&] {
        Bits bits(data, size);
        if (open_segments(bits, data, size, segmented, false, precision, n, scratch)) {
            for (unsigned lane = 0; lane < lanes; ++lane) {
                const unsigned below = bits.get(4) + 15;
                scratch.states[lane] = 1u << below | bits.get(below);
            }
            scratch.stream = bits.finish();
        }
        scratch.failed = bits.failed;
    });
    if (scratch.failed) return kCorrupt;

    const uint8_t *const stream = data + scratch.stream;
    const uint32_t words = (size - scratch.stream) / 2;
    if ((size - scratch.stream) % 2 != 0) return kCorrupt;
    const uint32_t slot_mask = (1u << precision) - 1;
    typename Warp::template PerLane<uint32_t> x;
    warp.each([&](unsigned lane) { x[lane] = lane < lanes ? scratch.states[lane] : kStart; });
    const auto next_symbol = [&](unsigned lane) {
        const uint32_t slot = x[lane] & slot_mask, symbol = scratch.b.symbols[slot], entry = scratch.freqs[symbol];
        x[lane] = pop(x[lane], (entry >> 16) + 1, slot - (entry & 0xffff), precision);
        return symbol;
    };
    uint32_t next = 0;
    for (uint32_t row = 0; row < n;) {
        next_segment(warp, data, size, precision, n - row, scratch,
                     [&](uint32_t slot, uint32_t, uint32_t, uint8_t symbol) { scratch.b.symbols[slot] = symbol; });
        const uint32_t end = row + scratch.segment_n;
        // Whole rows, with words enough for each lane to take one.
        constexpr uint32_t kRows = (1 + Output::kAhead) * kWarp;
        if (lanes == kWarp && end - row >= kRows && words >= kWarp) {
            const uint32_t last_row = end - kRows, last_word = words - kWarp;
            const uint8_t *from = stream;
            LACONIC_KEEP(from);
            typename Warp::template PerLane<Output> to;
            typename Warp::template PerLane<uint32_t> beside;
            warp.each([&](unsigned lane) {
                to[lane] = out.from(row + lane);
                to[lane].keep();
                beside[lane] = to[lane].beside(0);
            });
            for (; row <= last_row && next <= last_word; row += kWarp) {
                warp.each([&](unsigned lane) {
                    const uint32_t ahead = to[lane].beside(Output::kAhead * kWarp);
                    to[lane].put(0, next_symbol(lane), beside[lane]);
                    to[lane] = to[lane].from(kWarp);
                    beside[lane] = ahead;
                });
                const uint32_t due = warp.ballot([&](unsigned lane) { return x[lane] < kStart; });
                warp.each([&](unsigned lane) {
                    if ((due >> lane & 1) != 0) x[lane] = x[lane] << 16 | read_word(from, next + warp.rank(due, lane));
                });
                next += count_bits(due);
            }
        }
        for (; row < end; row += lanes) {
            const auto active = [&](unsigned lane) { return lane < lanes && row + lane < end; };
            warp.each([&](unsigned lane) {
                if (active(lane)) put(out, row + lane, next_symbol(lane));
            });
            const uint32_t due = warp.ballot([&](unsigned lane) { return active(lane) && x[lane] < kStart; });
            if (next + count_bits(due) > words) return kCorrupt;
            warp.each([&](unsigned lane) {
                if ((due >> lane & 1) != 0) x[lane] = x[lane] << 16 | read_word(stream, next + warp.rank(due, lane));
            });
            next += count_bits(due);
        }
        row = end;
    }
    if (next != words || warp.ballot([&](unsigned lane) { return x[lane] != kStart; }) != 0) return kCorrupt;
    return kOk;
}

// Two parts, which the host decodes in step, one after the other.
template <typename Warp, typename Output>
LACONIC_WARP_CODE Status decode_b_segments(const Warp &warp, const uint8_t *data, uint32_t size, unsigned precision,
                                           const Output &out, uint32_t n, Scratch &scratch) {
    uint32_t first = 0;
    bool failed = false;
    const uint32_t first_bytes = read_varint(data, size, first, failed), first_n = n / (2 * kSegmentRow) * kSegmentRow;
    if (failed || first_bytes > size - first) return kCorrupt;
    const Status status = decode_b(warp, data + first, first_bytes, precision, kWarp, true, out, first_n, scratch);
    if (status != kOk) return status;
    return decode_b(warp, data + first + first_bytes, size - first - first_bytes, precision, kWarp, true, out.from(first_n),
                    n - first_n, scratch);
}

// ---- profile A ----

template <typename Warp, typename Output>
LACONIC_WARP_CODE Status decode_a(const Warp &warp, const uint8_t *data, uint32_t size, unsigned precision, bool segmented,
                                  const Output &out, uint32_t n, Scratch &scratch) {
    using namespace entropy::rans_a;
    if (precision != kPrecision) return kCorrupt;
    warp.once([&] {
        Bits bits(data, size);
        open_segments(bits, data, size, segmented, true, precision, n, scratch);
        uint32_t position = bits.finish();
        bool failed = bits.failed;
        if (!failed) scratch.escape_count = read_varint(data, size, position, failed);
        scratch.escapes = position;
        uint64_t place = 0;
        for (uint32_t k = 0; !failed && k < scratch.escape_count; ++k) {
            place += uint64_t{read_varint(data, size, position, failed)} + 1;
            if (place > n || position >= size) failed = true;
            ++position;
        }
        scratch.stream = position + 2 * kLanesA;
        scratch.failed = failed || position > size || size - position < 2 * kLanesA;
    });
    if (scratch.failed) return kCorrupt;

    // A lane of the warp is eight lanes of the block: lane, lane + 32, ...
    struct Words {
        uint32_t of[kSteps];
    };
    typename Warp::template PerLane<Words> x, slots, beside;
    const uint8_t *const saved = data + scratch.stream - 2 * kLanesA;
    warp.each([&](unsigned lane) {
        for (unsigned step = 0; step < kSteps; ++step) x[lane].of[step] = read_word(saved, step * kWarp + lane);
    });
    const uint8_t *const stream = data + scratch.stream;
    const uint32_t bytes = size - scratch.stream;
    uint32_t next = 0;
    for (uint32_t row = 0; row < n;) {
        next_segment(warp, data, size, precision, n - row, scratch,
                     [&](uint32_t slot, uint32_t freq, uint32_t bias, uint8_t symbol) {
                         scratch.a.slots[slot] = packed_slot(freq, bias, symbol);
                     });
        const uint32_t end = row + scratch.segment_n;
        // Whole rows, with bytes enough for each lane to take one: all look-ups, then all that follows from them, so that a lane
        // waits once for eight.
        if (end - row >= kLanesA && bytes >= kLanesA) {
            const uint32_t last_row = end - kLanesA, last_byte = bytes - kLanesA;
            const uint8_t *from = stream;
            LACONIC_KEEP(from);
            typename Warp::template PerLane<Output> to;
            warp.each([&](unsigned lane) {
                to[lane] = out.from(row + lane);
                to[lane].keep();
            });
            for (; row <= last_row && next <= last_byte; row += kLanesA) {
                uint32_t due[kSteps], at[kSteps + 1];
                warp.each([&](unsigned lane) {
                    LACONIC_UNROLL
                    for (unsigned step = 0; step < kSteps; ++step) beside[lane].of[step] = to[lane].beside(step * kWarp);
                    LACONIC_UNROLL
                    for (unsigned step = 0; step < kSteps; ++step)
                        slots[lane].of[step] = scratch.a.slots[x[lane].of[step] & 0xff];
                    LACONIC_UNROLL
                    for (unsigned step = 0; step < kSteps; ++step) {
                        const uint32_t slot = slots[lane].of[step];
                        to[lane].put(step * kWarp, slot, beside[lane].of[step]);
                        x[lane].of[step] = pop(x[lane].of[step], slot);
                    }
                    to[lane] = to[lane].from(kLanesA);
                });
                at[0] = next;
                LACONIC_UNROLL
                for (unsigned step = 0; step < kSteps; ++step) {
                    due[step] = warp.ballot([&](unsigned lane) { return x[lane].of[step] < kStart; });
                    at[step + 1] = at[step] + count_bits(due[step]);
                }
                next = at[kSteps];
                warp.each([&](unsigned lane) {
                    LACONIC_UNROLL
                    for (unsigned step = 0; step < kSteps; ++step)
                        if ((due[step] >> lane & 1) != 0)
                            x[lane].of[step] = x[lane].of[step] << 8 | from[at[step] + warp.rank(due[step], lane)];
                });
            }
        }
        for (; row < end; row += kLanesA) {
            LACONIC_UNROLL
            for (unsigned step = 0; step < kSteps; ++step) {
                const uint32_t first = row + step * kWarp;
                warp.each([&](unsigned lane) {
                    if (first + lane >= end) return;
                    const uint32_t slot = scratch.a.slots[x[lane].of[step] & 0xff];
                    put(out, first + lane, slot);
                    x[lane].of[step] = pop(x[lane].of[step], slot);
                });
                const uint32_t due = warp.ballot([&](unsigned lane) { return first + lane < end && x[lane].of[step] < kStart; });
                if (next + count_bits(due) > bytes) return kCorrupt;
                warp.each([&](unsigned lane) {
                    if ((due >> lane & 1) != 0) x[lane].of[step] = x[lane].of[step] << 8 | stream[next + warp.rank(due, lane)];
                });
                next += count_bits(due);
            }
        }
        row = end;
    }
    const uint32_t wrong = warp.ballot([&](unsigned lane) {
        bool any = false;
        for (unsigned step = 0; step < kSteps; ++step) any |= x[lane].of[step] != kStart;
        return any;
    });
    if (next != bytes || wrong != 0) return kCorrupt;
    warp.once([&] {
        uint32_t position = scratch.escapes, place = 0;
        bool failed = false;
        for (uint32_t k = 0; k < scratch.escape_count; ++k) {
            place += read_varint(data, size, position, failed);
            put(out, place++, data[position++]);
        }
    });
    return kOk;
}

// ---- any block ----

template <typename Warp, typename Output>
LACONIC_WARP_CODE Status decode_block(const Warp &warp, const uint8_t *data, size_t size, const Output &out, size_t n,
                                      Scratch &scratch) {
    if (size == 0 || size > kMostBytes || n > kMostSymbols) return kCorrupt;
    const unsigned form = data[0] & 15, precision = data[0] >> 4;
    ++data;
    const uint32_t bytes = static_cast<uint32_t>(size - 1), count = static_cast<uint32_t>(n);
    switch (form) {
        case 0:
            if (precision != 0 || bytes != count) return kCorrupt;
            warp.each([&](unsigned lane) {
                for (uint32_t i = lane; i < count; i += kWarp) put(out, i, data[i]);
            });
            return kOk;
        case 1:
            if (precision != 0 || bytes != 1) return kCorrupt;
            warp.each([&](unsigned lane) {
                for (uint32_t i = lane; i < count; i += kWarp) put(out, i, data[0]);
            });
            return kOk;
        case 2:
            return precision == 0 ? kUnsupported : kCorrupt;
        case 3:
            return decode_a(warp, data, bytes, precision, false, out, count, scratch);
        case 4:
            return decode_b(warp, data, bytes, precision, kWarp, false, out, count, scratch);
        case 5:
            return decode_b(warp, data, bytes, precision, 4, false, out, count, scratch);
        case 6:
            return decode_a(warp, data, bytes, precision, true, out, count, scratch);
        case 7:
            return decode_b_segments(warp, data, bytes, precision, out, count, scratch);
        default:
            return kCorrupt;
    }
}

}  // namespace laconic::cuda
