#include "image/pixels.h"

#include <stdexcept>

namespace laconic::image {

void PixelFormat::check() const {
    const bool known = bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 16;
    if (!known || channels == 0 || channels > kMaxChannels || (bits < 8 && channels != 1) || width == 0 ||
        width > kMaxRowBytes * 8 || padding > kMaxRowBytes || row_bytes() > kMaxRowBytes)
        throw std::invalid_argument("no such pixel format");
}

Picture::Picture(size_t w, size_t h, size_t channels, unsigned bits) : width(w), height(h), planes(channels) {
    for (Plane &plane : planes) {
        plane.samples.resize(w * h);
        plane.bits = bits;
    }
}

namespace {

template <size_t Channels>
void split(const uint8_t *row, size_t n, uint16_t *const *out) {
    for (size_t x = 0; x < n; ++x)
        for (size_t c = 0; c < Channels; ++c) out[c][x] = row[x * Channels + c];
}

template <size_t Channels>
void join(const uint16_t *const *in, size_t n, uint8_t *row) {
    for (size_t x = 0; x < n; ++x)
        for (size_t c = 0; c < Channels; ++c) row[x * Channels + c] = static_cast<uint8_t>(in[c][x]);
}

// Where each channel's row begins.
template <class P, class Q>
void rows_at(P &picture, size_t y, std::vector<Q *> &at) {
    for (size_t c = 0; c < at.size(); ++c) at[c] = picture.planes[c].samples.data() + y * picture.width;
}

}  // namespace

void read_rows(const uint8_t *raw, const PixelFormat &format, Picture &picture) {
    const size_t channels = picture.planes.size(), n = picture.width;
    const unsigned flip = format.is_signed ? 1u << (format.bits - 1) : 0;
    std::vector<uint16_t *> out(channels);
    for (size_t y = 0; y < picture.height; ++y) {
        const uint8_t *const row = raw + y * format.stride();
        rows_at(picture, y, out);
        if (format.bits < 8) {
            const unsigned per_byte = 8 / format.bits, mask = (1u << format.bits) - 1;
            for (size_t x = 0; x < n; ++x)
                out[0][x] = static_cast<uint16_t>(row[x / per_byte] >> (8 - format.bits * (x % per_byte + 1)) & mask);
        } else if (format.bits == 8) {
            if (channels == 1)
                split<1>(row, n, out.data());
            else if (channels == 3)
                split<3>(row, n, out.data());
            else if (channels == 4)
                split<4>(row, n, out.data());
            else
                for (size_t x = 0; x < n; ++x)
                    for (size_t c = 0; c < channels; ++c) out[c][x] = row[x * channels + c];
        } else {
            const size_t low = format.big_endian ? 1 : 0;
            for (size_t x = 0; x < n; ++x)
                for (size_t c = 0; c < channels; ++c) {
                    const uint8_t *const p = row + 2 * (x * channels + c);
                    out[c][x] = static_cast<uint16_t>(p[low] | p[1 - low] << 8);
                }
        }
        if (flip != 0)
            for (size_t c = 0; c < channels; ++c)
                for (size_t x = 0; x < n; ++x) out[c][x] = static_cast<uint16_t>(out[c][x] ^ flip);
    }
}

void write_rows(const Picture &picture, const PixelFormat &format, uint8_t *raw) {
    const size_t channels = picture.planes.size(), n = picture.width;
    const unsigned flip = format.is_signed ? 1u << (format.bits - 1) : 0;
    std::vector<const uint16_t *> in(channels);
    for (size_t y = 0; y < picture.height; ++y) {
        uint8_t *const row = raw + y * format.stride();
        rows_at(picture, y, in);
        if (format.bits < 8) {
            const unsigned per_byte = 8 / format.bits;
            for (size_t i = 0; i < format.row_bytes(); ++i) {
                unsigned byte = 0;
                for (unsigned k = 0; k < per_byte; ++k) byte = byte << format.bits | in[0][i * per_byte + k];
                row[i] = static_cast<uint8_t>(byte);
            }
        } else if (format.bits == 8) {
            if (channels == 1)
                join<1>(in.data(), n, row);
            else if (channels == 3)
                join<3>(in.data(), n, row);
            else if (channels == 4)
                join<4>(in.data(), n, row);
            else
                for (size_t x = 0; x < n; ++x)
                    for (size_t c = 0; c < channels; ++c) row[x * channels + c] = static_cast<uint8_t>(in[c][x]);
            if (flip != 0)
                for (size_t i = 0; i < n * channels; ++i) row[i] = static_cast<uint8_t>(row[i] ^ flip);
        } else {
            const size_t low = format.big_endian ? 1 : 0;
            for (size_t x = 0; x < n; ++x)
                for (size_t c = 0; c < channels; ++c) {
                    uint8_t *const p = row + 2 * (x * channels + c);
                    const unsigned value = in[c][x] ^ flip;
                    p[low] = static_cast<uint8_t>(value);
                    p[1 - low] = static_cast<uint8_t>(value >> 8);
                }
        }
    }
}

}  // namespace laconic::image
