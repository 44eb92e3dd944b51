// Blocks (docs/entropy.md) decoded and encoded by one warp each, a row of 32 lanes at a time. Written for DeviceWarp and HostWarp
// alike.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/warp.h"

namespace laconic::cuda {

enum Status : int32_t {
    kOk = 0,
    kCorrupt = 1,
    kUnsupported = 2,  // forms the device does not decode: runs, and tables of more than 12 bits
};

constexpr unsigned kMostPrecision = 12;
constexpr unsigned kLanesA = 256;
constexpr unsigned kSteps = kLanesA / kWarp;  // rows of a warp in a row of profile A

// What the lanes of a warp share: in shared memory on the device.
struct Scratch {
    uint32_t slots[1u << kMostPrecision];
    uint16_t freqs[256];
    uint16_t starts[256];
    uint32_t states[kWarp];
    size_t stream;   // where it begins in the block
    size_t escapes;  // where the list of escapes begins
    size_t escape_count;
    bool segmented;
    size_t segments_left;
    size_t segment_rows;   // where the rows of the next segment stand
    size_t segment_table;  // and its table, in bits
    size_t segment_n;      // symbols of the segment at hand
    bool failed;
};

// Bits of a header, least significant first; like BitReader in entropy/bit_io.h, but failing by a flag.
struct Bits {
    const uint8_t *data;
    size_t size;
    size_t position = 0;  // in bits
    bool failed = false;

    LACONIC_WARP_CODE uint32_t get(unsigned count) {
        uint32_t value = 0;
        for (unsigned done = 0; done < count;) {
            if (position / 8 >= size) {
                failed = true;
                return 0;
            }
            const unsigned offset = static_cast<unsigned>(position % 8);
            const unsigned take = count - done < 8 - offset ? count - done : 8 - offset;
            value |= (static_cast<uint32_t>(data[position / 8]) >> offset & ((1u << take) - 1)) << done;
            done += take;
            position += take;
        }
        return value;
    }
    LACONIC_WARP_CODE unsigned get_unary(unsigned most) {
        unsigned value = 0;
        while (!failed && get(1) == 1)
            if (++value > most) failed = true;
        return value;
    }
    // The rest of the last byte must be zeros; returns the bytes read.
    LACONIC_WARP_CODE size_t finish() {
        if (position % 8 != 0 && get(static_cast<unsigned>(8 - position % 8)) != 0) failed = true;
        return position / 8;
    }
};

// The mirror of read_table in entropy/tables.cpp.
LACONIC_WARP_CODE void read_table(Bits &bits, unsigned precision, Scratch &scratch) {
    for (unsigned s = 0; s < 256; ++s) scratch.freqs[s] = 0;
    uint32_t left = 1u << precision, s = 0;
    int length = static_cast<int>(precision / 2);
    while (left > 0 && !bits.failed) {
        const unsigned rank = bits.get_unary(2 * (precision + 1) + 1);
        if (bits.failed) return;
        if (rank == 3) {
            const unsigned extra = bits.get_unary(31);
            const uint32_t run = (extra == 0 ? 1 : 1u << extra) | bits.get(extra);
            if (bits.failed || run >= 256 - s) {
                bits.failed = true;
                return;
            }
            s += run;
            continue;
        }
        const int zigzag = static_cast<int>(rank < 3 ? rank : rank - 1);
        length += zigzag % 2 == 0 ? zigzag / 2 : -(zigzag + 1) / 2;
        if (s == 256 || length < 1 || length > static_cast<int>(precision) + 1) {
            bits.failed = true;
            return;
        }
        const uint32_t freq = 1u << (length - 1) | bits.get(static_cast<unsigned>(length - 1));
        if (freq > left) {
            bits.failed = true;
            return;
        }
        scratch.starts[s] = static_cast<uint16_t>((1u << precision) - left);
        scratch.freqs[s++] = static_cast<uint16_t>(freq);
        left -= freq;
    }
}

// The number at data[position], a varint that ends before `size`.
LACONIC_WARP_CODE size_t read_varint(const uint8_t *data, size_t size, size_t &position, bool &failed) {
    size_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        if (position >= size) break;
        const uint8_t byte = data[position++];
        value |= static_cast<size_t>(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
    failed = true;
    return 0;
}

// ---- segments ----

constexpr unsigned kSegmentRow = 256;

// Reads the rows and tables of all segments, to check them and to find their end, where `bits` stands afterwards. A block without
// segments is one segment; its table is in the scratch from here on. False: damaged.
LACONIC_WARP_CODE bool open_segments(Bits &bits, bool segmented, bool two_symbols, unsigned precision, size_t n,
                                     Scratch &scratch) {
    size_t position = 0, count = 1, left = n;
    scratch.segmented = segmented;
    if (segmented) {
        count = read_varint(bits.data, bits.size, position, bits.failed);
        if (count == 0) bits.failed = true;
        scratch.segment_rows = position;
        for (size_t k = 1; k < count && !bits.failed; ++k) {
            const size_t rows = read_varint(bits.data, bits.size, position, bits.failed);
            if (rows == 0 || rows >= (left + kSegmentRow - 1) / kSegmentRow) bits.failed = true;
            left -= rows * kSegmentRow;
        }
    }
    scratch.segments_left = count;
    scratch.segment_table = bits.position = 8 * position;
    for (size_t k = 0; k < count && !bits.failed; ++k) {
        read_table(bits, precision, scratch);
        for (unsigned s = 0; two_symbols && s < 256; ++s)
            if (scratch.freqs[s] == 1u << precision) bits.failed = true;
    }
    return !bits.failed;
}

// On to the next segment of an opened block of which `left` symbols are left: segment_n and its slots, slot_of(freq, bias,
// symbol).
template <typename Warp, typename SlotOf>
LACONIC_WARP_CODE void next_segment(const Warp &warp, const uint8_t *data, size_t size, unsigned precision, size_t left,
                                    Scratch &scratch, SlotOf &&slot_of) {
    warp.once([&] {
        scratch.segment_n = left;
        if (!scratch.segmented) return;
        Bits bits{data, size, scratch.segment_table};
        if (scratch.segments_left-- > 1)
            scratch.segment_n = kSegmentRow * read_varint(data, size, scratch.segment_rows, bits.failed);
        read_table(bits, precision, scratch);
        scratch.segment_table = bits.position;
    });
    for (unsigned s = 0; s < 256; ++s)
        warp.each([&](unsigned lane) {
            for (uint32_t k = lane; k < scratch.freqs[s]; k += kWarp)
                scratch.slots[scratch.starts[s] + k] = slot_of(scratch.freqs[s], k, s);
        });
    warp.sync();
}

// ---- profile B ----

template <typename Warp>
LACONIC_WARP_CODE Status decode_b(const Warp &warp, const uint8_t *data, size_t size, unsigned precision, unsigned lanes,
                                  bool segmented, uint8_t *out, size_t n, Scratch &scratch) {
    using namespace entropy::rans_b;
    if (precision < 10 || precision > 14) return kCorrupt;
    if (precision > kMostPrecision) return kUnsupported;
    warp.once([&] {
        Bits bits{data, size};
        if (open_segments(bits, segmented, false, precision, n, scratch)) {
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
    const size_t words = (size - scratch.stream) / 2;
    if ((size - scratch.stream) % 2 != 0) return kCorrupt;
    const uint32_t slot_mask = (1u << precision) - 1;
    typename Warp::template PerLane<uint32_t> x;
    warp.each([&](unsigned lane) { x[lane] = lane < lanes ? scratch.states[lane] : kStart; });
    size_t next = 0;
    for (size_t row = 0; row < n;) {
        next_segment(warp, data, size, precision, n - row, scratch,
                     [](uint32_t freq, uint32_t bias, unsigned symbol) { return packed_slot(freq, bias, symbol); });
        for (const size_t end = row + scratch.segment_n; row < end; row += lanes) {
            const auto active = [&](unsigned lane) { return lane < lanes && row + lane < end; };
            warp.each([&](unsigned lane) {
                if (!active(lane)) return;
                const uint32_t slot = scratch.slots[x[lane] & slot_mask];
                out[row + lane] = static_cast<uint8_t>(slot);
                x[lane] = pop_packed(x[lane], slot, precision);
            });
            const uint32_t due = warp.ballot([&](unsigned lane) { return active(lane) && x[lane] < kStart; });
            if (next + count_bits(due) > words) return kCorrupt;
            warp.each([&](unsigned lane) {
                if ((due >> lane & 1) == 0) return;
                const size_t word = 2 * (next + rank_in(due, lane));
                x[lane] = x[lane] << 16 | stream[word] | static_cast<uint32_t>(stream[word + 1]) << 8;
            });
            next += count_bits(due);
        }
    }
    if (next != words || warp.ballot([&](unsigned lane) { return x[lane] != kStart; }) != 0) return kCorrupt;
    return kOk;
}

// Two parts, which the host decodes in step, one after the other.
template <typename Warp>
LACONIC_WARP_CODE Status decode_b_segments(const Warp &warp, const uint8_t *data, size_t size, unsigned precision, uint8_t *out,
                                           size_t n, Scratch &scratch) {
    size_t first = 0;
    bool failed = false;
    const size_t first_bytes = read_varint(data, size, first, failed), first_n = n / (2 * kSegmentRow) * kSegmentRow;
    if (failed || first_bytes > size - first) return kCorrupt;
    const Status status = decode_b(warp, data + first, first_bytes, precision, kWarp, true, out, first_n, scratch);
    if (status != kOk) return status;
    return decode_b(warp, data + first + first_bytes, size - first - first_bytes, precision, kWarp, true, out + first_n,
                    n - first_n, scratch);
}

// ---- profile A ----

template <typename Warp>
LACONIC_WARP_CODE Status decode_a(const Warp &warp, const uint8_t *data, size_t size, unsigned precision, bool segmented,
                                  uint8_t *out, size_t n, Scratch &scratch) {
    using namespace entropy::rans_a;
    if (precision != kPrecision) return kCorrupt;
    warp.once([&] {
        Bits bits{data, size};
        open_segments(bits, segmented, true, precision, n, scratch);
        size_t position = bits.finish();
        bool failed = bits.failed;
        if (!failed) scratch.escape_count = read_varint(data, size, position, failed);
        scratch.escapes = position;
        size_t place = 0;
        for (size_t k = 0; !failed && k < scratch.escape_count; ++k) {
            place += read_varint(data, size, position, failed) + 1;
            if (place > n || position >= size) failed = true;
            ++position;
        }
        scratch.stream = position + 2 * kLanesA;
        scratch.failed = failed || position > size || size - position < 2 * kLanesA;
    });
    if (scratch.failed) return kCorrupt;

    // A lane of the warp is eight lanes of the block: lane, lane + 32, ...
    struct States {
        uint32_t x[kSteps];
    };
    typename Warp::template PerLane<States> states;
    const uint8_t *const saved = data + scratch.stream - 2 * kLanesA;
    warp.each([&](unsigned lane) {
        for (unsigned step = 0; step < kSteps; ++step) {
            const uint8_t *const two = saved + 2 * (step * kWarp + lane);
            states[lane].x[step] = two[0] | static_cast<uint32_t>(two[1]) << 8;
        }
    });
    const uint8_t *const stream = data + scratch.stream;
    const size_t bytes = size - scratch.stream;
    size_t next = 0;
    for (size_t row = 0; row < n;) {
        next_segment(warp, data, size, precision, n - row, scratch,
                     [](uint32_t freq, uint32_t bias, unsigned symbol) { return packed_slot(freq, bias, symbol); });
        for (const size_t end = row + scratch.segment_n; row < end; row += kLanesA) {
#if defined(__CUDACC__)
#pragma unroll
#endif
            for (unsigned step = 0; step < kSteps; ++step) {
                const size_t first = row + step * kWarp;
                warp.each([&](unsigned lane) {
                    if (first + lane >= end) return;
                    uint32_t &x = states[lane].x[step];
                    const uint32_t slot = scratch.slots[x & 0xff];
                    out[first + lane] = static_cast<uint8_t>(slot);
                    x = pop(x, slot);
                });
                const uint32_t due =
                    warp.ballot([&](unsigned lane) { return first + lane < end && states[lane].x[step] < kStart; });
                if (next + count_bits(due) > bytes) return kCorrupt;
                warp.each([&](unsigned lane) {
                    if ((due >> lane & 1) != 0)
                        states[lane].x[step] = states[lane].x[step] << 8 | stream[next + rank_in(due, lane)];
                });
                next += count_bits(due);
            }
        }
    }
    const uint32_t wrong = warp.ballot([&](unsigned lane) {
        bool any = false;
        for (unsigned step = 0; step < kSteps; ++step) any |= states[lane].x[step] != kStart;
        return any;
    });
    if (next != bytes || wrong != 0) return kCorrupt;
    warp.once([&] {
        size_t position = scratch.escapes, place = 0;
        bool failed = false;
        for (size_t k = 0; k < scratch.escape_count; ++k) {
            place += read_varint(data, size, position, failed);
            out[place++] = data[position++];
        }
    });
    return kOk;
}

// ---- any block ----

template <typename Warp>
LACONIC_WARP_CODE Status decode_block(const Warp &warp, const uint8_t *data, size_t size, uint8_t *out, size_t n,
                                      Scratch &scratch) {
    if (size == 0) return kCorrupt;
    const unsigned form = data[0] & 15, precision = data[0] >> 4;
    ++data;
    --size;
    switch (form) {
        case 0:
            if (precision != 0 || size != n) return kCorrupt;
            warp.each([&](unsigned lane) {
                for (size_t i = lane; i < n; i += kWarp) out[i] = data[i];
            });
            return kOk;
        case 1:
            if (precision != 0 || size != 1) return kCorrupt;
            warp.each([&](unsigned lane) {
                for (size_t i = lane; i < n; i += kWarp) out[i] = data[0];
            });
            return kOk;
        case 2:
            return precision == 0 ? kUnsupported : kCorrupt;
        case 3:
            return decode_a(warp, data, size, precision, false, out, n, scratch);
        case 4:
            return decode_b(warp, data, size, precision, kWarp, false, out, n, scratch);
        case 5:
            return decode_b(warp, data, size, precision, 4, false, out, n, scratch);
        case 6:
            return decode_a(warp, data, size, precision, true, out, n, scratch);
        case 7:
            return decode_b_segments(warp, data, size, precision, out, n, scratch);
        default:
            return kCorrupt;
    }
}

// A table to encode with: by symbol, and as the bits of its compact form (entropy/tables.h).
struct EncodeTable {
    const entropy::rans_b::EncodeSymbol *symbols;  // 256
    const uint8_t *bits;
    uint32_t bit_count;
    unsigned precision;
};

// A block of profile B with 32 lanes in out[0, capacity), or a raw one where it would not be smaller than n or a symbol has no
// frequency. capacity >= n + 1. Returns its size.
template <typename Warp>
LACONIC_WARP_CODE size_t encode_block_b(const Warp &warp, const uint8_t *symbols, size_t n, const EncodeTable &table,
                                        uint8_t *out, size_t capacity, Scratch &scratch) {
    using namespace entropy::rans_b;
    const size_t room = (table.bit_count + 7) / 8 + 1 + 4 * kWarp;  // most a header takes
    typename Warp::template PerLane<uint32_t> x;
    typename Warp::template PerLane<EncodeSymbol> code;
    warp.each([&](unsigned lane) { x[lane] = kStart; });
    size_t begin = capacity;
    bool fits = n > 0;
    for (size_t row = n == 0 ? 0 : (n - 1) / kWarp * kWarp + kWarp; fits && row > 0;) {
        row -= kWarp;
        const auto active = [&](unsigned lane) { return row + lane < n; };
        warp.each([&](unsigned lane) { code[lane] = table.symbols[active(lane) ? symbols[row + lane] : symbols[row]]; });
        if (warp.ballot([&](unsigned lane) { return code[lane].reciprocal == 0; }) != 0) fits = false;
        const uint32_t due =
            warp.ballot([&](unsigned lane) { return active(lane) && must_spill(x[lane], code[lane], table.precision); });
        if (begin < room + 2 * count_bits(due)) fits = false;
        if (!fits) break;
        begin -= 2 * count_bits(due);
        warp.each([&](unsigned lane) {
            if ((due >> lane & 1) != 0) {
                uint8_t *const word = out + begin + 2 * rank_in(due, lane);
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
        size_t bit = 8;
        const auto put = [&](uint32_t value, unsigned count) {
            for (unsigned k = 0; k < count; ++k, ++bit) {
                if (bit % 8 == 0) out[bit / 8] = 0;
                out[bit / 8] = static_cast<uint8_t>(out[bit / 8] | (value >> k & 1) << bit % 8);
            }
        };
        for (uint32_t k = 0; k < table.bit_count; ++k) put(table.bits[k / 8] >> k % 8 & 1u, 1);
        for (unsigned lane = 0; lane < kWarp; ++lane) {
            unsigned below = 15;
            while (scratch.states[lane] >> below > 1) ++below;
            put(below - 15, 4);
            put(scratch.states[lane], below);
        }
        scratch.stream = (bit + 7) / 8;
    });
    if (fits && scratch.stream + (capacity - begin) <= n) {
        // Down to the header, 32 bytes at a time: all lanes read before one writes.
        const size_t count = capacity - begin;
        typename Warp::template PerLane<uint8_t> byte;
        for (size_t done = 0; done < count; done += kWarp) {
            warp.each([&](unsigned lane) { byte[lane] = done + lane < count ? out[begin + done + lane] : uint8_t{0}; });
            warp.sync();
            warp.each([&](unsigned lane) {
                if (done + lane < count) out[scratch.stream + done + lane] = byte[lane];
            });
            warp.sync();
        }
        return scratch.stream + count;
    }
    warp.sync();
    warp.each([&](unsigned lane) {
        if (lane == 0) out[0] = 0;
        for (size_t i = lane; i < n; i += kWarp) out[i + 1] = symbols[i];
    });
    return n + 1;
}

}  // namespace laconic::cuda
