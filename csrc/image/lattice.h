// Colours that were computed from a luma and two chromas by a matrix and rounding. Most RGB triples then never occur, and no
// prediction of R, G and B can know which; the integers that they came from are three smooth planes again.
//
// Found in pictures decoded from JPEG files, and in Kodak's PhotoCD pictures. For the latter R = floor(L + 1.8215 c2) and B =
// floor(L
// + 2.2179 c1) with L = 1.3584 Y were known; G = floor(L - 0.509 floor(1.8215 c2) - 0.194 floor(2.2179 c1)) is our finding: it
// holds for 99.98 % of the colours that occur (docs/notes/images.md).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "entropy/byte_io.h"
#include "image/pixels.h"

namespace laconic::image {

enum class Lattice : uint8_t { none = 0, jpeg = 1, photo_cd = 2 };
constexpr unsigned kLattices = 3;

// Finds a lattice in the first three planes (8 bits; red, green, blue, or reversed) and puts its coordinates in their places:
// red's chroma, luma, blue's chroma. Writes its exceptions. `none`: nothing is changed or written.
Lattice find_lattice(Picture &picture, bool reversed, entropy::ByteWriter &out);

// A pixel whose colour is not that of its point.
struct LatticeException {
    size_t pixel;
    std::array<uint8_t, 3> difference;  // modulo 256
};

// CorruptData unless the exceptions lie among so many pixels, in ascending order.
std::vector<LatticeException> read_exceptions(entropy::ByteReader &in, size_t pixels);

// The mirror of find_lattice.
void leave_lattice(Picture &picture, Lattice lattice, bool reversed, const std::vector<LatticeException> &exceptions);

}  // namespace laconic::image
