#include "image/lattice.h"

#include <algorithm>
#include <cstdlib>

#include "entropy/block.h"
#include "entropy/cpu.h"
#include "image/lattice_maps.h"

namespace laconic::image {
namespace {

template <class Map>
bool matches(Point p, Colour c) {
    return is_coordinate(p.y) && is_coordinate(p.cb) && is_coordinate(p.cr) && Map::colour(p) == c;
}

bool is_clipped(Colour c) {
    const auto at_end = [](int x) { return x == 0 || x == 255; };
    return at_end(c.r) || at_end(c.g) || at_end(c.b);
}

constexpr int kReach = 12;  // of lumas tried with a neighbour's chroma

// The point of this colour with the chroma and nearly the luma of `p`. All components grow with the luma, so the way to it is
// known, and where there is none.
template <class Map>
bool find_luma(Colour c, Point p, Point &found) {
    Colour there = Map::colour(p);
    const auto below = [&] { return there.r < c.r || there.g < c.g || there.b < c.b; };
    const auto above = [&] { return there.r > c.r || there.g > c.g || there.b > c.b; };
    const bool up = below();
    for (int tries = 0; there != c; there = Map::colour(p)) {
        p.y += up ? 1 : -1;
        if ((up ? above() : below()) || !is_coordinate(p.y) || ++tries > kReach) return false;
    }
    found = p;
    return true;
}

// A point of this colour: the nearest one or one beside it; for a clipped colour, which has many, one with the chroma of `before`
// if there is one. Points further off are `before`'s luma's business, not ours. false: none was found, and the nearest is as good
// as any.
template <class Map>
bool find_point(Colour c, Point before, Point &found) {
    if (is_clipped(c) && find_luma<Map>(c, before, found)) return true;
    constexpr int kBeside[] = {0, -1, 1};
    const Point centre = Map::nearest(c);
    for (const int dy : kBeside)
        for (const int dr : kBeside) {
            Point p{centre.y + dy, centre.cb, centre.cr + dr};
            if (Map::red(p) != c.r) continue;  // which says nothing of cb
            for (const int db : kBeside) {
                p.cb = centre.cb + db;
                if (matches<Map>(p, c)) return found = p, true;
            }
        }
    found = {clip(centre.y), clip(centre.cb), clip(centre.cr)};
    return false;
}

struct Planes {
    uint16_t *r, *g, *b;
    Planes(Picture &picture, bool reversed)
        : r(picture.planes[reversed ? 2 : 0].samples.data()),
          g(picture.planes[1].samples.data()),
          b(picture.planes[reversed ? 0 : 2].samples.data()) {}
    Colour at(size_t i) const { return {r[i], g[i], b[i]}; }
};

constexpr size_t kProbes = 512;
constexpr size_t kLeastPixels = 16;  // for each exception

// Whether at least `percent` of some unclipped pixels lie on the lattice.
template <class Map>
bool lies_on(const Planes &planes, size_t n, unsigned percent) {
    size_t seen = 0, hits = 0;
    const size_t step = std::max<size_t>(1, n / (2 * kProbes)) | 1;
    for (size_t i = 0; i < n && seen < kProbes; i += step) {
        const Colour c = planes.at(i);
        if (is_clipped(c) || (c.r == c.g && c.g == c.b)) continue;
        Point p;
        ++seen;
        hits += find_point<Map>(c, {0, 0, 0}, p) ? 1 : 0;
        if (seen == 64 && hits < 48) return false;
    }
    return seen >= 64 && hits * 100 >= seen * percent;
}

const LatticeKernels &lattice_kernels(Lattice lattice) {
    const auto index = static_cast<size_t>(lattice) - 1;
#if defined(LACONIC_X86)
    if (active_isa() == Isa::avx512) return kLatticeAvx512[index];
    if (active_isa() == Isa::avx2) return kLatticeAvx2[index];
#endif
    return kLatticeRows[index];
}

constexpr size_t kRun = 1024;  // pixels that a kernel looks at at a time

// Replaces the planes' samples; false where there are too many exceptions (the planes are then restored).
template <class Map>
bool enter(const Planes &planes, size_t n, Lattice lattice, std::vector<LatticeException> &exceptions) {
    const LatticeKernels &kernels = lattice_kernels(lattice);
    std::array<uint16_t, kRun> y, cb, cr, open;
    Point before{128, 128, 128};
    const size_t most = n / kLeastPixels;
    for (size_t first = 0; first < n; first += kRun) {
        const size_t count = std::min(kRun, n - first);
        kernels.nearest(planes.r + first, planes.g + first, planes.b + first, count, y.data(), cb.data(), cr.data(), open.data());
        for (size_t k = 0; k < count; ++k) {
            if (open[k] == 0) continue;
            const size_t i = first + k;
            const Colour c = planes.at(i);
            if (k > 0) before = {y[k - 1], cb[k - 1], cr[k - 1]};
            Point p;
            if (!find_point<Map>(c, before, p)) {
                const Colour there = Map::colour(p);
                exceptions.push_back({i,
                                      {static_cast<uint8_t>(c.r - there.r), static_cast<uint8_t>(c.g - there.g),
                                       static_cast<uint8_t>(c.b - there.b)}});
            }
            y[k] = static_cast<uint16_t>(p.y);
            cb[k] = static_cast<uint16_t>(p.cb);
            cr[k] = static_cast<uint16_t>(p.cr);
        }
        before = {y[count - 1], cb[count - 1], cr[count - 1]};
        std::copy_n(cr.data(), count, planes.r + first);
        std::copy_n(y.data(), count, planes.g + first);
        std::copy_n(cb.data(), count, planes.b + first);
    }
    return exceptions.size() <= most;
}

void leave(const Planes &planes, size_t n, Lattice lattice, const std::vector<LatticeException> &exceptions) {
    lattice_kernels(lattice).colours(planes.r, planes.g, planes.b, n);
    for (const auto &[i, d] : exceptions) {
        planes.r[i] = static_cast<uint8_t>(planes.r[i] + d[0]);
        planes.g[i] = static_cast<uint8_t>(planes.g[i] + d[1]);
        planes.b[i] = static_cast<uint8_t>(planes.b[i] + d[2]);
    }
}

void put_block(entropy::ByteWriter &out, const std::vector<uint8_t> &bytes) {
    std::vector<uint8_t> block(entropy::block_bound(bytes.size()));
    block.resize(entropy::encode_block(bytes.data(), bytes.size(), block.data()));
    out.put_sized(block);
}

// Their number; the gaps between them as varints, in a block after its number of bytes; a block of each channel's differences.
void write_exceptions(entropy::ByteWriter &out, const std::vector<LatticeException> &exceptions) {
    out.put_varint(exceptions.size());
    if (exceptions.empty()) return;
    entropy::ByteWriter gaps;
    size_t next = 0;
    for (const auto &e : exceptions) {
        gaps.put_varint(e.pixel - next);
        next = e.pixel + 1;
    }
    const std::vector<uint8_t> bytes = gaps.take();
    out.put_varint(bytes.size());
    put_block(out, bytes);
    for (size_t k = 0; k < 3; ++k) {
        std::vector<uint8_t> differences;
        for (const auto &e : exceptions) differences.push_back(e.difference[k]);
        put_block(out, differences);
    }
}

}  // namespace

Lattice find_lattice(Picture &picture, bool reversed, entropy::ByteWriter &out) {
    const size_t n = picture.width * picture.height;
    const auto is_byte = [](const Plane &plane) { return plane.bits == 8; };
    if (picture.planes.size() < 3 || n > entropy::kMaxBlockSymbols ||
        !std::all_of(picture.planes.begin(), picture.planes.begin() + 3, is_byte))
        return Lattice::none;
    const Planes planes(picture, reversed);
    std::vector<LatticeException> exceptions;
    const auto try_lattice = [&]<class Map>(Lattice lattice) {
        if (!lies_on<Map>(planes, n, 95)) return Lattice::none;
        exceptions.clear();
        if (enter<Map>(planes, n, lattice, exceptions)) {
            out.put(static_cast<uint8_t>(lattice));
            write_exceptions(out, exceptions);
            return lattice;
        }
        leave(planes, n, lattice, exceptions);
        return Lattice::none;
    };
    const Lattice jpeg = try_lattice.template operator()<Jpeg>(Lattice::jpeg);
    return jpeg != Lattice::none ? jpeg : try_lattice.template operator()<PhotoCd>(Lattice::photo_cd);
}

std::vector<LatticeException> read_exceptions(entropy::ByteReader &in, size_t pixels) {
    std::vector<LatticeException> exceptions;
    const size_t n = in.get_varint();
    if (n == 0) return exceptions;
    const size_t size = in.get_varint();
    if (n > pixels / kLeastPixels || size < n || size > 5 * n || size > entropy::kMaxBlockSymbols)
        throw CorruptData("image: an impossible number of exceptions");
    const auto block = [&](size_t count) {
        const entropy::ByteReader coded = in.get_sized();
        std::vector<uint8_t> bytes(count);
        entropy::decode_block(coded.position(), coded.remaining(), bytes.data(), count);
        return bytes;
    };
    const std::vector<uint8_t> gaps = block(size);
    const std::vector<uint8_t> differences[3] = {block(n), block(n), block(n)};
    entropy::ByteReader gap(gaps.data(), gaps.size());
    size_t next = 0;
    exceptions.resize(n);
    for (size_t k = 0; k < n; ++k) {
        const size_t skipped = gap.get_varint();
        if (skipped >= pixels - next) throw CorruptData("image: an exception lies outside the picture");
        const size_t pixel = next + skipped;
        exceptions[k] = {pixel, {differences[0][k], differences[1][k], differences[2][k]}};
        next = pixel + 1;
    }
    gap.end();
    return exceptions;
}

void leave_lattice(Picture &picture, Lattice lattice, bool reversed, const std::vector<LatticeException> &exceptions) {
    const size_t n = picture.width * picture.height;
    const Planes planes(picture, reversed);
    for (size_t p = 0; p < 3; ++p)
        for (const uint16_t s : picture.planes[p].samples)
            if (s > 255) throw CorruptData("image: a coordinate leaves its range");
    leave(planes, n, lattice, exceptions);
}

}  // namespace laconic::image
