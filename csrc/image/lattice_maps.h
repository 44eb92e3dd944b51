// The maps between colours and lattice points, and the loops over them that compilers turn into vectors; included by one file for
// each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace laconic::image {

struct LatticeKernels {
    // The points nearest to n colours; `open` is not 0 where that point has another colour, or the colour is clipped.
    void (*nearest)(const uint16_t *r, const uint16_t *g, const uint16_t *b, size_t n, uint16_t *y, uint16_t *cb, uint16_t *cr,
                    uint16_t *open);
    // Colours in the places of coordinates: red's chroma, luma, blue's chroma.
    void (*colours)(uint16_t *r, uint16_t *g, uint16_t *b, size_t n);
};

// By Lattice, less one.
#if defined(LACONIC_X86)
extern const LatticeKernels kLatticeAvx2[2], kLatticeAvx512[2];
#endif

namespace {

struct Point {
    int y, cb, cr;  // 0 .. 255 each
};
struct Colour {
    int r, g, b;
    bool operator==(const Colour &) const = default;
};

int clip(int x) { return x < 0 ? 0 : x > 255 ? 255 : x; }
bool is_coordinate(int x) { return x >= 0 && x <= 255; }

// floor(n / 10000) for n > -2^23.
int ten_thousandths(int n) { return static_cast<int>(static_cast<uint32_t>(n + 10000 * 1024) / 10000u) - 1024; }

// JFIF's YCbCr as libjpeg computes it.
struct Jpeg {
    static int red(Point p) { return clip(p.y + ((91881 * (p.cr - 128) + 32768) >> 16)); }
    static Colour colour(Point p) {
        const int cb = p.cb - 128, cr = p.cr - 128;
        return {red(p), clip(p.y + ((-22554 * cb - 46802 * cr + 32768) >> 16)), clip(p.y + ((116130 * cb + 32768) >> 16))};
    }
    static Point nearest(Colour c) {
        return {(19595 * c.r + 38470 * c.g + 7471 * c.b + 32768) >> 16,
                ((-11059 * c.r - 21709 * c.g + 32768 * c.b + 32768) >> 16) + 128,
                ((32768 * c.r - 27439 * c.g - 5329 * c.b + 32768) >> 16) + 128};
    }
};

// Kodak's PhotoCD YCC.
struct PhotoCd {
    static int red(Point p) { return clip(ten_thousandths(13584 * p.y + 18215 * (p.cr - 137))); }
    static Colour colour(Point p) {
        const int luma = 13584 * p.y, red = 18215 * (p.cr - 137), blue = 22179 * (p.cb - 156);
        return {PhotoCd::red(p), clip(ten_thousandths(luma - 5090 * ten_thousandths(red) - 1940 * ten_thousandths(blue))),
                clip(ten_thousandths(luma + blue))};
    }
    // Flooring loses half a step on average.
    static Point nearest(Colour c) {
        const int y = (14420 * c.r + 28329 * c.g + 5496 * c.b + 14165 + 32768) >> 16;
        return {y, rounded(10000 * c.b + 5000 - 13584 * y, 22179) + 156, rounded(10000 * c.r + 5000 - 13584 * y, 18215) + 137};
    }
    static int rounded(int n, int step) { return (n + 1024 * step + step / 2) / step - 1024; }  // n / step, for |n| < 1024 step
};

template <class Map>
void nearest_row(const uint16_t *__restrict r, const uint16_t *__restrict g, const uint16_t *__restrict b, size_t n,
                 uint16_t *__restrict y, uint16_t *__restrict cb, uint16_t *__restrict cr, uint16_t *__restrict open) {
    for (size_t i = 0; i < n; ++i) {
        const Colour c{r[i], g[i], b[i]};
        const Point p = Map::nearest(c);
        const Colour there = Map::colour(p);
        const int outside = (p.y | p.cb | p.cr) & ~255;
        const int other = (there.r ^ c.r) | (there.g ^ c.g) | (there.b ^ c.b);
        const int least = c.r < c.g ? (c.r < c.b ? c.r : c.b) : (c.g < c.b ? c.g : c.b);
        const int most = c.r > c.g ? (c.r > c.b ? c.r : c.b) : (c.g > c.b ? c.g : c.b);
        y[i] = static_cast<uint16_t>(p.y);
        cb[i] = static_cast<uint16_t>(p.cb);
        cr[i] = static_cast<uint16_t>(p.cr);
        open[i] = static_cast<uint16_t>((outside | other) != 0 || least == 0 || most == 255 ? 1 : 0);
    }
}

template <class Map>
void colour_row(uint16_t *__restrict r, uint16_t *__restrict g, uint16_t *__restrict b, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        const Colour c = Map::colour({g[i], b[i], r[i]});
        r[i] = static_cast<uint16_t>(c.r);
        g[i] = static_cast<uint16_t>(c.g);
        b[i] = static_cast<uint16_t>(c.b);
    }
}

constexpr LatticeKernels kLatticeRows[2] = {{nearest_row<Jpeg>, colour_row<Jpeg>}, {nearest_row<PhotoCd>, colour_row<PhotoCd>}};

}  // namespace
}  // namespace laconic::image
