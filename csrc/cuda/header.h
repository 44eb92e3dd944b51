// The headers of blocks (docs/entropy.md), read by a warp: the form's tables and segments. Written for DeviceWarp and HostWarp
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
constexpr unsigned kSteps = kLanesA / kWarp;    // rows of a warp in a row of profile A
constexpr size_t kMostBytes = size_t{1} << 28;  // more than any block of 2^24 symbols has: offsets in a block fit 32 bits
constexpr size_t kMostSymbols = size_t{1} << 24;

// What the lanes of a warp share: in shared memory on the device, where its size is what limits how many warps hide each other's
// waiting (so profile B's table takes two small look-ups instead of a large one).
struct Scratch {
    union {
        struct {
            uint8_t symbols[1u << kMostPrecision];  // profile B: of each slot
        } b;
        struct {
            uint32_t slots[256];  // profile A: see packed_slot
        } a;
        entropy::rans_b::EncodeSymbol codes[256];  // when encoding
    };
    uint32_t freqs[256];  // by symbol: (freq - 1) << 16 | start, of the live ones
    uint8_t live[256];    // which these are
    unsigned live_count;
    uint32_t states[kWarp];
    uint32_t stream;   // where it begins in the block
    uint32_t escapes;  // where the list of escapes begins
    uint32_t escape_count;
    bool segmented;
    uint32_t segments_left;
    uint32_t segment_rows;   // where the rows of the next segment stand
    uint32_t segment_table;  // and its table, in bits
    uint32_t segment_n;      // symbols of the segment at hand
    bool failed;
};

// Bits of a header, least significant first; like BitReader in entropy/bit_io.h, but failing by a flag.
class Bits {
public:
    LACONIC_WARP_CODE Bits(const uint8_t *data, uint32_t size) : data_(data), size_(size) {}

    // On from a number of bits.
    LACONIC_WARP_CODE void seek(uint32_t bits) {
        next_ = bits / 8;
        pending_ = 0;
        filled_ = 0;
        get(bits % 8);
    }
    LACONIC_WARP_CODE uint32_t tell() const { return 8 * next_ - filled_; }

    LACONIC_WARP_CODE uint32_t get(unsigned count) {
        while (filled_ < count) {
            if (next_ == size_) {
                failed = true;
                return 0;
            }
            pending_ |= static_cast<uint64_t>(data_[next_++]) << filled_;
            filled_ += 8;
        }
        const uint32_t value = static_cast<uint32_t>(pending_ & ((uint64_t{1} << count) - 1));
        pending_ >>= count;
        filled_ -= count;
        return value;
    }
    LACONIC_WARP_CODE unsigned get_unary(unsigned most) {
        unsigned value = 0;
        while (!failed && get(1) == 1)
            if (++value > most) failed = true;
        return value;
    }
    // The rest of the last byte must be zeros; returns the bytes read.
    LACONIC_WARP_CODE uint32_t finish() {
        if (pending_ != 0) failed = true;
        return next_;
    }

    bool failed = false;

private:
    const uint8_t *data_;
    uint32_t size_, next_ = 0;
    uint64_t pending_ = 0;
    unsigned filled_ = 0;  // bits of it, fewer than 8 between calls
};

// The mirror of read_table in entropy/tables.cpp: freqs, live and live_count.
LACONIC_WARP_CODE void read_table(Bits &bits, unsigned precision, Scratch &scratch) {
    uint32_t left = 1u << precision, s = 0;
    int length = static_cast<int>(precision / 2);
    scratch.live_count = 0;
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
        scratch.freqs[s] = (freq - 1) << 16 | ((1u << precision) - left);
        scratch.live[scratch.live_count++] = static_cast<uint8_t>(s++);
        left -= freq;
    }
}

// The number at data[position], a varint that ends before `size`.
LACONIC_WARP_CODE uint32_t read_varint(const uint8_t *data, uint32_t size, uint32_t &position, bool &failed) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        if (position >= size) break;
        const uint8_t byte = data[position++];
        value |= static_cast<uint64_t>(byte & 0x7f) << shift;
        if (byte < 0x80) {
            failed |= value > UINT32_MAX;
            return static_cast<uint32_t>(value);
        }
    }
    failed = true;
    return 0;
}

// ---- segments ----

constexpr uint32_t kSegmentRow = 256;

// Reads the rows and tables of all segments, to check them and to find their end, where `bits` stands afterwards. A block without
// segments is one segment; its table is in the scratch from here on. False: damaged.
LACONIC_WARP_CODE bool open_segments(Bits &bits, const uint8_t *data, uint32_t size, bool segmented, bool two_symbols,
                                     unsigned precision, uint32_t n, Scratch &scratch) {
    uint32_t position = 0, count = 1, left = n;
    scratch.segmented = segmented;
    if (segmented) {
        count = read_varint(data, size, position, bits.failed);
        if (count == 0) bits.failed = true;
        scratch.segment_rows = position;
        for (uint32_t k = 1; k < count && !bits.failed; ++k) {
            const uint32_t rows = read_varint(data, size, position, bits.failed);
            if (rows == 0 || rows >= (left + kSegmentRow - 1) / kSegmentRow)
                bits.failed = true;
            else
                left -= rows * kSegmentRow;
        }
    }
    scratch.segments_left = count;
    scratch.segment_table = 8 * position;
    bits.seek(scratch.segment_table);
    for (uint32_t k = 0; k < count && !bits.failed; ++k) {
        read_table(bits, precision, scratch);
        if (two_symbols && scratch.live_count == 1) bits.failed = true;
    }
    return !bits.failed;
}

// On to the next segment of an opened block of which `left` symbols are left: segment_n and its slots, by
// put(slot, freq, bias, symbol).
template <typename Warp, typename Put>
LACONIC_WARP_CODE void next_segment(const Warp &warp, const uint8_t *data, uint32_t size, unsigned precision, uint32_t left,
                                    Scratch &scratch, Put &&put) {
    warp.once([&] {
        scratch.segment_n = left;
        if (!scratch.segmented) return;
        Bits bits(data, size);
        bits.seek(scratch.segment_table);
        if (scratch.segments_left-- > 1)
            scratch.segment_n = kSegmentRow * read_varint(data, size, scratch.segment_rows, bits.failed);
        read_table(bits, precision, scratch);
        scratch.segment_table = bits.tell();
    });
    for (unsigned k = 0; k < scratch.live_count; ++k) {
        const uint8_t symbol = scratch.live[k];
        const uint32_t entry = scratch.freqs[symbol], freq = (entry >> 16) + 1, start = entry & 0xffff;
        warp.each([&](unsigned lane) {
            for (uint32_t bias = lane; bias < freq; bias += kWarp) put(start + bias, freq, bias, symbol);
        });
    }
    warp.sync();
}

}  // namespace laconic::cuda
