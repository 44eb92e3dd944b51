// Rows of pixels as files and arrays hold them, and as planes of samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace laconic::image {

constexpr size_t kMaxChannels = 64;
constexpr size_t kMaxRowBytes = size_t{1} << 25;  // a frame's raw bytes

// How the samples of a row lie: interleaved, `bits` each, most significant bit first where they are smaller than a byte.
struct PixelFormat {
    unsigned bits = 8;  // 1, 2, 4 (packed), 8 or 16
    bool big_endian = false;
    bool is_signed = false;  // two's complement; read with the top bit flipped
    bool reversed = false;   // the first three channels are blue, green, red
    size_t channels = 1;     // 1 if bits < 8
    size_t width = 1;        // pixels of a row
    size_t padding = 0;      // bytes after each row

    // std::invalid_argument unless the fields are in range.
    void check() const;
    size_t row_bytes() const { return bits < 8 ? (width * bits + 7) / 8 : width * channels * (bits / 8); }
    size_t stride() const { return row_bytes() + padding; }
    // Samples of a row and channel; of packed ones also those in the last byte's unused bits.
    size_t columns() const { return bits < 8 ? row_bytes() * (8 / bits) : width; }
};

// A channel, row by row.
struct Plane {
    std::vector<uint16_t> samples;
    unsigned bits = 8;  // samples are below 2^bits
};

struct Picture {
    size_t width = 0, height = 0;
    std::vector<Plane> planes;

    Picture(size_t w, size_t h, size_t channels, unsigned bits);
};

void read_rows(const uint8_t *raw, const PixelFormat &format, Picture &picture);
void write_rows(const Picture &picture, const PixelFormat &format, uint8_t *raw);  // leaves the padding as it is

}  // namespace laconic::image
