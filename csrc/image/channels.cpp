#include "image/channels.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "entropy/block.h"

namespace laconic::image {
namespace {

enum Form : uint8_t { kChannels = 0, kPalette = 1, kLattice = 2 };
enum Kind : uint8_t { kCoded = 0, kConstant = 1, kMapped = 2, kLinear = 3 };

unsigned bits_for(size_t values) { return std::max(1, static_cast<int>(std::bit_width(values - 1))); }

void put_block(entropy::ByteWriter &out, const std::vector<uint8_t> &bytes) {
    std::vector<uint8_t> block(entropy::block_bound(bytes.size()));
    block.resize(entropy::encode_block(bytes.data(), bytes.size(), block.data()));
    out.put_sized(block);
}

std::vector<uint8_t> get_block(entropy::ByteReader &in, size_t n) {
    const entropy::ByteReader block = in.get_sized();
    std::vector<uint8_t> bytes(n);
    entropy::decode_block(block.position(), block.remaining(), bytes.data(), n);
    return bytes;
}

// Ascending values: their number, the first one, and the gaps as a block of low bytes and one of high bytes.
void put_values(entropy::ByteWriter &out, const std::vector<uint16_t> &values) {
    std::vector<uint8_t> low, high;
    for (size_t k = 1; k < values.size(); ++k) {
        const int gap = values[k] - values[k - 1] - 1;
        low.push_back(static_cast<uint8_t>(gap));
        high.push_back(static_cast<uint8_t>(gap >> 8));
    }
    out.put_varint(values.size());
    out.put_varint(values[0]);
    put_block(out, low);
    put_block(out, high);
}

std::vector<uint16_t> get_values(entropy::ByteReader &in, unsigned bits) {
    const size_t n = in.get_varint();
    size_t value = in.get_varint();
    if (n < 2 || n > size_t{1} << bits) throw CorruptData("image: a channel has an impossible number of values");
    const std::vector<uint8_t> low = get_block(in, n - 1), high = get_block(in, n - 1);
    std::vector<uint16_t> values(n);
    for (size_t k = 0; k < n; ++k) {
        if (k != 0) value += size_t{1} + low[k - 1] + (size_t{high[k - 1]} << 8);
        if (value >> bits != 0) throw CorruptData("image: a channel's values leave their range");
        values[k] = static_cast<uint16_t>(value);
    }
    return values;
}

using Colour = std::vector<uint16_t>;  // one sample of each channel

struct Palette {
    std::vector<Colour> colours;  // none: there are too many
    std::vector<uint16_t> indices;
};

// The colours by their sum, so that close indices are close in brightness.
Palette find_palette(const Picture &picture) {
    const size_t channels = picture.planes.size(), n = picture.width * picture.height;
    Palette found;
    if (channels < 2 || channels > 4) return found;
    std::unordered_map<uint64_t, uint16_t> index;
    std::vector<uint16_t> indices(n);
    uint64_t last_key = 0;
    uint16_t last = 0;
    for (size_t i = 0; i < n; ++i) {
        uint64_t key = 0;
        for (const Plane &plane : picture.planes) key = key << 16 | plane.samples[i];
        if (i == 0 || key != last_key) {
            const auto [at, added] = index.try_emplace(key, static_cast<uint16_t>(index.size()));
            if (added && index.size() > kMaxColours) return found;
            last_key = key;
            last = at->second;
        }
        indices[i] = last;
    }
    std::vector<std::pair<uint64_t, uint16_t>> order;
    for (const auto &[key, first] : index) {
        const uint64_t sum = (key & 0xffff) + (key >> 16 & 0xffff) + (key >> 32 & 0xffff) + (key >> 48);
        order.emplace_back(sum << 20 | first, first);
    }
    std::sort(order.begin(), order.end());
    std::vector<uint16_t> place(order.size());
    found.colours.assign(order.size(), Colour(channels));
    for (size_t k = 0; k < order.size(); ++k) place[order[k].second] = static_cast<uint16_t>(k);
    for (const auto &[key, first] : index)
        for (size_t c = 0; c < channels; ++c)
            found.colours[place[first]][c] = static_cast<uint16_t>(key >> 16 * (channels - 1 - c));
    for (uint16_t &i : indices) i = place[i];
    found.indices = std::move(indices);
    return found;
}

// The values that occur, ascending.
std::vector<uint16_t> values_of(const Plane &plane) {
    std::vector<uint8_t> seen(size_t{1} << plane.bits);
    for (const uint16_t s : plane.samples) seen[s] = 1;
    std::vector<uint16_t> values;
    for (size_t v = 0; v < seen.size(); ++v)
        if (seen[v] != 0) values.push_back(static_cast<uint16_t>(v));
    return values;
}

// Whether indices are worth more than values: they are far fewer, or fit a byte. In colour images the channels resemble each
// other, which indices would hide.
bool worth_mapping(size_t values, size_t places, unsigned bits, bool alone) {
    if (bits > 8 && values <= 256) return places > 256;
    return alone ? 4 * values <= 3 * places : 2 * values <= places;
}

// Values first, first + step, ... up to `places` of them: low bits that are never used, 16-bit samples that fit a byte.
struct Grid {
    size_t first, step, places;
};

Grid grid_of(const std::vector<uint16_t> &values, unsigned bits) {
    size_t step = 0;
    for (const uint16_t v : values) step = std::gcd(step, static_cast<size_t>(v - values[0]));
    Grid grid{values[0] % step, step, 0};  // alike in all channels, where they use the same bits
    if (bits > 8 && (values.back() - values[0]) / step < 256) grid.first = values[0];
    grid.places = (values.back() - grid.first) / step + 1;
    return grid;
}

}  // namespace

// u8 form; the palette, or the lattice if there is one, and each channel's kind.
void simplify(Picture &picture, unsigned bits, bool reversed, entropy::ByteWriter &out) {
    Palette palette = find_palette(picture);
    if (!palette.colours.empty() && palette.colours.size() > 1) {
        out.put(kPalette);
        out.put_varint(palette.colours.size());
        std::vector<uint8_t> bytes;
        for (size_t c = 0; c < picture.planes.size(); ++c)
            for (unsigned shift = 0; shift < bits; shift += 8)
                for (const Colour &colour : palette.colours) bytes.push_back(static_cast<uint8_t>(colour[c] >> shift));
        put_block(out, bytes);
        picture.planes.resize(1);
        picture.planes[0].samples = std::move(palette.indices);
        picture.planes[0].bits = bits_for(palette.colours.size());
        return;
    }
    entropy::ByteWriter lattice;
    const bool found = find_lattice(picture, reversed, lattice) != Lattice::none;
    out.put(found ? kLattice : kChannels);
    if (found) {
        const std::vector<uint8_t> bytes = lattice.take();
        out.put_bytes(bytes.data(), bytes.size());
    }
    std::vector<Plane> coded;
    const bool alone = picture.planes.size() < 3;
    for (Plane &plane : picture.planes) {
        const std::vector<uint16_t> values = values_of(plane);
        if (values.size() == 1) {
            out.put(kConstant);
            out.put_varint(values[0]);
            continue;
        }
        const Grid grid = grid_of(values, bits);
        if (worth_mapping(values.size(), grid.places, bits, alone)) {
            out.put(kMapped);
            put_values(out, values);
            std::vector<uint16_t> index(size_t{1} << bits);
            for (size_t k = 0; k < values.size(); ++k) index[values[k]] = static_cast<uint16_t>(k);
            for (uint16_t &s : plane.samples) s = index[s];
            plane.bits = bits_for(values.size());
        } else if (grid.step > 1 || bits_for(grid.places) < bits_for(size_t{values.back()} + 1)) {
            out.put(kLinear);
            out.put_varint(grid.first);
            out.put_varint(grid.step);
            out.put_varint(grid.places);
            for (uint16_t &s : plane.samples) s = static_cast<uint16_t>((s - grid.first) / grid.step);
            plane.bits = bits_for(grid.places);
        } else {
            out.put(kCoded);
        }
        coded.push_back(std::move(plane));
    }
    picture.planes = std::move(coded);
}

Simplified::Simplified(entropy::ByteReader &in, size_t channels, unsigned bits, bool reversed, size_t pixels)
    : channels_(channels), bits_(bits), reversed_(reversed) {
    const uint8_t form = in.get();
    palette_ = form == kPalette;
    if (form > kLattice) throw CorruptData("image: no such form of channels");
    if (form == kLattice) {
        const uint8_t lattice = in.get();
        if (lattice == 0 || lattice >= kLattices || channels < 3 || bits != 8) throw CorruptData("image: no such lattice");
        lattice_ = static_cast<Lattice>(lattice);
        exceptions_ = read_exceptions(in, pixels);
    }
    if (palette_) {
        const size_t n = in.get_varint(), wide = bits > 8 ? 2 : 1;
        if (n < 2 || n > kMaxColours) throw CorruptData("image: a palette has an impossible number of colours");
        const std::vector<uint8_t> bytes = get_block(in, n * channels * wide);
        for (size_t c = 0; c < channels; ++c) {
            channels_[c].values.resize(n);
            for (size_t k = 0; k < n; ++k) {
                const uint8_t *const low = &bytes[c * wide * n + k];
                channels_[c].values[k] = static_cast<uint16_t>(low[0] | (wide == 2 ? low[n] << 8 : 0));
                if (channels_[c].values[k] >> bits != 0) throw CorruptData("image: a colour leaves its range");
            }
        }
        coded_.assign(1, bits_for(n));
        return;
    }
    for (Channel &channel : channels_) {
        channel.kind = in.get();
        if (channel.kind == kConstant) {
            const size_t value = in.get_varint();
            if (value >> bits != 0) throw CorruptData("image: a constant leaves its range");
            channel.value = static_cast<uint16_t>(value);
        } else if (channel.kind == kMapped) {
            channel.values = get_values(in, bits);
            coded_.push_back(bits_for(channel.values.size()));
        } else if (channel.kind == kLinear) {
            const size_t first = in.get_varint(), step = in.get_varint(), places = in.get_varint();
            if (step == 0 || step >> bits != 0 || places < 2 || places >> bits > 1 || (first + (places - 1) * step) >> bits != 0)
                throw CorruptData("image: a channel's grid leaves its range");
            channel.value = static_cast<uint16_t>(first);
            channel.step = static_cast<uint16_t>(step);
            channel.places = static_cast<uint32_t>(places);
            coded_.push_back(bits_for(places));
        } else if (channel.kind == kCoded) {
            coded_.push_back(bits);
        } else {
            throw CorruptData("image: no such kind of channel");
        }
    }
}

void Simplified::restore(Picture &picture) const {
    const auto look_up = [](std::vector<uint16_t> &samples, const std::vector<uint16_t> &values) {
        for (uint16_t &s : samples) {
            if (s >= values.size()) throw CorruptData("image: a sample stands for no value");
            s = values[s];
        }
    };
    std::vector<Plane> planes(channels_.size());
    size_t next = 0;
    for (size_t c = 0; c < channels_.size(); ++c) {
        planes[c].bits = bits_;
        if (palette_) {
            planes[c].samples = picture.planes[0].samples;
            look_up(planes[c].samples, channels_[c].values);
        } else if (channels_[c].kind == kConstant) {
            planes[c].samples.assign(picture.width * picture.height, channels_[c].value);
        } else {
            planes[c].samples = std::move(picture.planes[next++].samples);
            if (channels_[c].kind == kMapped) look_up(planes[c].samples, channels_[c].values);
            if (channels_[c].kind == kLinear)
                for (uint16_t &s : planes[c].samples) {
                    if (s >= channels_[c].places) throw CorruptData("image: a sample stands for no value");
                    s = static_cast<uint16_t>(channels_[c].value + s * channels_[c].step);
                }
            if (channels_[c].kind == kCoded && bits_ < 8)
                for (const uint16_t s : planes[c].samples)
                    if (s >> bits_ != 0) throw CorruptData("image: a sample leaves its range");
        }
    }
    picture.planes = std::move(planes);
    if (lattice_ != Lattice::none) leave_lattice(picture, lattice_, reversed_, exceptions_);
}

}  // namespace laconic::image
