// What can be said of whole channels before they are coded: constant, few values, few colours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "entropy/byte_io.h"
#include "image/lattice.h"
#include "image/pixels.h"

namespace laconic::image {

constexpr size_t kMaxColours = 256;

// Writes the description and leaves in `picture` the planes that must still be coded.
void simplify(Picture &picture, unsigned bits, bool reversed, entropy::ByteWriter &out);

// A description read back.
class Simplified {
public:
    // CorruptData unless it is one for so many channels and pixels.
    Simplified(entropy::ByteReader &in, size_t channels, unsigned bits, bool reversed, size_t pixels);

    // The bits of each plane that is coded.
    const std::vector<unsigned> &coded() const { return coded_; }
    // From the coded planes all channels; CorruptData for a sample that stands for nothing.
    void restore(Picture &picture) const;

private:
    struct Channel {
        uint8_t kind = 0;
        uint16_t value = 0;            // constant; the first of a grid
        uint16_t step = 0;             // of a grid
        uint32_t places = 0;           // of a grid
        std::vector<uint16_t> values;  // mapped: what the samples stand for; palette: this channel of each colour
    };
    bool palette_ = false;
    Lattice lattice_ = Lattice::none;
    std::vector<LatticeException> exceptions_;
    std::vector<Channel> channels_;
    std::vector<unsigned> coded_;
    unsigned bits_;
    bool reversed_;
};

}  // namespace laconic::image
