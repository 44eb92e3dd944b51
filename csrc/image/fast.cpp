#include "image/fast.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>

#include "entropy/block.h"
#include "entropy/stepped_contexts.h"
#include "image/fast_kernels.h"

namespace laconic::image {
namespace {

constexpr size_t kStripe = 64;     // rows that share a colour transform
constexpr size_t kSampleRow = 16;  // of a stripe, every so manieth row is tried with each transform

size_t padded(size_t n) { return (n + 31) / 32 * 32; }

// A row with margins.
template <typename Sample>
class Row {
public:
    explicit Row(size_t n, Sample fill = 0) : room_(n + 2 * kMargin, fill) {}
    Sample *data() { return room_.data() + kMargin; }
    const Sample *data() const { return room_.data() + kMargin; }

private:
    std::vector<Sample> room_;
};

// Codes of 16 bits: those below 16 are tokens of their own; of longer ones the token holds the length and the two bits below the
// leading one, the rest is stored as it is.
struct Token {
    static constexpr unsigned kPlain = 16;
    static unsigned extra_bits(unsigned token) { return token < kPlain ? 0 : (token - kPlain) / 4 + 2; }
    static unsigned of(unsigned code) {
        if (code < kPlain) return code;
        const auto top = static_cast<unsigned>(std::bit_width(code)) - 1;
        return kPlain + (top - 4) * 4 + (code >> (top - 2) & 3);
    }
    static unsigned base(unsigned token) {
        if (token < kPlain) return token;
        return (4 | (token & 3)) << extra_bits(token);
    }
    static constexpr unsigned kCount = kPlain + 12 * 4;
};

class RawBits {
public:
    void put(unsigned value, unsigned count) {
        pending_ |= uint64_t{value} << filled_;
        filled_ += count;
        if (filled_ < 32) return;
        if (bytes_.size() - used_ < 4) bytes_.resize(2 * bytes_.size() + 4096);
        for (size_t k = 0; k < 4; ++k) bytes_[used_ + k] = static_cast<uint8_t>(pending_ >> 8 * k);
        used_ += 4;
        pending_ >>= 32;
        filled_ -= 32;
    }
    std::vector<uint8_t> finish() {
        bytes_.resize(used_);
        for (; filled_ > 0; filled_ -= std::min(filled_, 8u), pending_ >>= 8) bytes_.push_back(static_cast<uint8_t>(pending_));
        return std::move(bytes_);
    }

private:
    std::vector<uint8_t> bytes_;
    size_t used_ = 0;
    uint64_t pending_ = 0;
    unsigned filled_ = 0;  // below 32
};

class RawBitsReader {
public:
    RawBitsReader(const uint8_t *data, size_t size) : p_(data), end_(data + size) {}
    unsigned get(unsigned count) {
        if (filled_ < count) refill(count);
        const auto value = static_cast<unsigned>(pending_ & ((uint64_t{1} << count) - 1));
        pending_ >>= count;
        filled_ -= count;
        return value;
    }
    void finish() const {
        if (p_ != end_ || filled_ >= 8 || pending_ != 0) throw CorruptData("image: low bits are left");
    }

private:
    void refill(unsigned count) {
        if (end_ - p_ >= 4) {
            for (unsigned k = 0; k < 4; ++k) pending_ |= uint64_t{*p_++} << (filled_ + 8 * k);
            filled_ += 32;
            return;
        }
        for (; filled_ < count; filled_ += 8) {
            if (p_ == end_) throw CorruptData("image: the low bits are cut off");
            pending_ |= uint64_t{*p_++} << filled_;
        }
    }

    const uint8_t *p_, *end_;
    uint64_t pending_ = 0;
    unsigned filled_ = 0;
};

// What encoder and decoder remember of a plane: its row and the one above, and the magnitudes of residuals of three rows.
template <typename Sample>
struct PlaneState {
    static constexpr Sample kFirst = static_cast<Sample>(1u << (8 * sizeof(Sample) - 1));  // above the first row
    Row<Sample> rows[2];
    Row<uint8_t> magnitudes[3];
    size_t at = 0, magnitude_at = 0;

    explicit PlaneState(size_t n)
        : rows{Row<Sample>(n, kFirst), Row<Sample>(n, kFirst)}, magnitudes{Row<uint8_t>(n), Row<uint8_t>(n), Row<uint8_t>(n)} {}

    Sample *row() { return rows[at].data(); }
    Sample *north() { return rows[1 - at].data(); }
    uint8_t *magnitude(size_t above) { return magnitudes[(magnitude_at + 3 - above) % 3].data(); }
    void fill_margins() { row()[-1] = north()[-1] = north()[0]; }
    void next_row() {
        at = 1 - at;
        magnitude_at = (magnitude_at + 1) % 3;
    }
};

template <typename Sample>
class RowCoder {
public:
    explicit RowCoder(const Picture &picture)
        : n_(picture.width),
          padded_(padded(picture.width)),
          states_(picture.planes.size(), PlaneState<Sample>(padded(picture.width))),
          contexts_(padded_, kPadContext) {}

    size_t planes() const { return states_.size(); }
    size_t row_symbols() const { return padded_; }
    PlaneState<Sample> &state(size_t p) { return states_[p]; }

    // north(p): where plane p's row above goes, in the stripe's transform.
    template <class North>
    void begin_stripe(Transform t, const Picture &picture, size_t y, North &&north) {
        transform_ = t;
        if (y != 0) load(picture, y - 1, north);
    }
    void begin_stripe(Transform t, const Picture &picture, size_t y) {
        begin_stripe(t, picture, y, [this](size_t p) { return states_[p].north(); });
    }

    void load_row(const Picture &picture, size_t y) {
        load(picture, y, [this](size_t p) { return states_[p].row(); });
        for (auto &s : states_) s.fill_margins();
    }

    // row(p): the samples of plane p.
    template <class Where>
    void store_row(Picture &picture, size_t y, Where &&row) {
        size_t p = 0;
        if (planes() >= 3) {
            const Sample *in[3] = {row(0), row(1), row(2)};
            uint16_t *out[3];
            for (size_t k = 0; k < 3; ++k) out[k] = picture.planes[k].samples.data() + y * n_;
            kernels_.untransform(transform_, in, n_, out);
            p = 3;
        }
        for (; p < planes(); ++p) std::copy_n(row(p), n_, picture.planes[p].samples.data() + y * n_);
    }

    const uint8_t *contexts(size_t p) {
        PlaneState<Sample> &s = states_[p];
        const uint8_t *const before = p == 0 ? nullptr : states_[p - 1].magnitude(0);
        context_kernels_.contexts(s.magnitude(1), s.magnitude(2), before, n_, sizeof(Sample) == 2, contexts_.data());
        return contexts_.data();
    }

    void remember(size_t p, const uint8_t *symbols) {
        uint8_t *const out = states_[p].magnitude(0);
        if constexpr (sizeof(Sample) == 1)
            context_kernels_.magnitudes(symbols, n_, out);
        else
            std::memcpy(out, symbols, n_);
    }

    uint64_t residuals(size_t p, Sample *codes) { return kernels_.residuals(states_[p].row(), states_[p].north(), n_, codes); }

    void restore(Sample *rows, size_t pitch) const { kernels_.restore(rows, pitch, n_); }

    void next_row() {
        for (auto &s : states_) s.next_row();
    }

private:
    template <class Where>
    void load(const Picture &picture, size_t y, Where &&where) {
        size_t p = 0;
        if (planes() >= 3) {
            const uint16_t *in[3];
            for (size_t k = 0; k < 3; ++k) in[k] = picture.planes[k].samples.data() + y * n_;
            Sample *out[3] = {where(0), where(1), where(2)};
            kernels_.transform(transform_, in, n_, out);
            p = 3;
        }
        for (; p < planes(); ++p) {
            const uint16_t *const in = picture.planes[p].samples.data() + y * n_;
            Sample *const out = where(p);
            for (size_t x = 0; x < n_; ++x) out[x] = static_cast<Sample>(in[x]);
        }
    }

    size_t n_, padded_;
    std::vector<PlaneState<Sample>> states_;
    std::vector<uint8_t> contexts_;
    Transform transform_ = Transform::none;
    const RowKernels<Sample> &kernels_ = row_kernels<Sample>();
    const ContextKernels &context_kernels_ = context_kernels();
};

// The transform with the smallest residuals on some rows of the stripe; ties go to the first.
template <typename Sample>
Transform best_transform(RowCoder<Sample> &coder, const Picture &picture, size_t y, std::vector<Sample> &codes) {
    uint64_t best = UINT64_MAX;
    Transform found = Transform::none;
    for (unsigned t = 0; t < kTransforms; ++t) {
        uint64_t sum = 0;
        for (size_t row = y + kSampleRow / 2; row < std::min(y + kStripe, picture.height); row += kSampleRow) {
            coder.begin_stripe(static_cast<Transform>(t), picture, row);
            coder.load_row(picture, row);
            for (size_t p = 0; p < 3; ++p) sum += coder.residuals(p, codes.data());
        }
        if (sum < best) best = sum, found = static_cast<Transform>(t);
    }
    return found;
}

size_t stripe_count(const Picture &picture) { return picture.planes.size() < 3 ? 0 : (picture.height + kStripe - 1) / kStripe; }

template <typename Sample>
std::vector<uint8_t> encode_as(const Picture &picture) {
    RowCoder<Sample> coder(picture), trial(picture);
    const size_t rows = picture.height * coder.planes(), step = coder.row_symbols();
    const auto symbols = std::make_unique_for_overwrite<uint8_t[]>(rows * step);
    const auto contexts = std::make_unique_for_overwrite<uint8_t[]>(rows * step);
    std::vector<uint8_t> transforms;
    std::vector<Sample> codes(step);
    RawBits low_bits;
    uint8_t *symbol = symbols.get(), *context = contexts.get();
    for (size_t y = 0; y < picture.height; ++y) {
        if (y % kStripe == 0 && coder.planes() >= 3) {
            const Transform t = best_transform(trial, picture, y, codes);
            transforms.push_back(static_cast<uint8_t>(t));
            coder.begin_stripe(t, picture, y);
        }
        coder.load_row(picture, y);
        for (size_t p = 0; p < coder.planes(); ++p, symbol += step, context += step) {
            std::memcpy(context, coder.contexts(p), step);
            std::memset(symbol + picture.width, 0, step - picture.width);
            if constexpr (sizeof(Sample) == 1) {
                coder.residuals(p, symbol);
            } else {
                coder.residuals(p, codes.data());
                for (size_t x = 0; x < picture.width; ++x) {
                    const unsigned token = Token::of(codes[x]);
                    symbol[x] = static_cast<uint8_t>(token);
                    low_bits.put(codes[x] - Token::base(token), Token::extra_bits(token));
                }
            }
            coder.remember(p, symbol);
        }
        coder.next_row();
    }
    entropy::ByteWriter out;
    if (!transforms.empty()) {
        std::vector<uint8_t> block(entropy::block_bound(transforms.size()));
        block.resize(entropy::encode_block(transforms.data(), transforms.size(), block.data()));
        out.put_sized(block);
    }
    out.put_sized(entropy::encode_stepped(symbols.get(), contexts.get(), rows * step, kPadContext + 1));
    if constexpr (sizeof(Sample) == 2) {
        const std::vector<uint8_t> bits = low_bits.finish();
        out.put_bytes(bits.data(), bits.size());
    }
    return out.take();
}

// Some rows of a plane below each other with their margins, and the row above them.
template <typename Sample>
class Group {
public:
    explicit Group(size_t n) : pitch_(padded(n) + 2 * kMargin), room_((kGroup<Sample> + 1) * pitch_) {}
    size_t pitch() const { return pitch_; }
    Sample *north() { return room_.data() + kMargin; }
    Sample *row(size_t r) { return room_.data() + (r + 1) * pitch_ + kMargin; }

private:
    size_t pitch_;
    std::vector<Sample> room_;
};

template <typename Sample>
void decode_as(entropy::ByteReader &in, Picture &picture) {
    RowCoder<Sample> coder(picture);
    const size_t planes = coder.planes(), step = coder.row_symbols(), width = picture.width;
    std::vector<uint8_t> transforms(stripe_count(picture));
    if (!transforms.empty()) {
        const entropy::ByteReader block = in.get_sized();
        entropy::decode_block(block.position(), block.remaining(), transforms.data(), transforms.size());
    }
    const entropy::ByteReader coded = in.get_sized();
    entropy::SteppedDecoder decoder(coded.position(), coded.remaining(), kPadContext + 1);
    RawBitsReader low_bits(in.position(), in.remaining());
    std::vector<uint8_t> symbols(sizeof(Sample) == 2 ? step : 0);
    std::vector<uint16_t> tables(step);
    std::vector<Group<Sample>> groups(planes, Group<Sample>(width));
    for (auto &group : groups) std::fill_n(group.north(), width, PlaneState<Sample>::kFirst);
    std::array<uint16_t, kPadContext + 1> table_of;
    std::copy(decoder.table_of().begin(), decoder.table_of().end(), table_of.begin());
    for (size_t y = 0; y < picture.height; y += kGroup<Sample>) {
        const size_t rows = std::min(kGroup<Sample>, picture.height - y);
        for (size_t r = 0; r < rows; ++r) {
            for (size_t p = 0; p < planes; ++p) {
                const uint8_t *const contexts = coder.contexts(p);
                for (size_t x = 0; x < step; ++x) tables[x] = table_of[contexts[x]];
                Sample *const codes = groups[p].row(r);
                if constexpr (sizeof(Sample) == 1) {
                    decoder.decode(codes, tables.data(), step);
                    coder.remember(p, codes);
                } else {
                    decoder.decode(symbols.data(), tables.data(), step);
                    coder.remember(p, symbols.data());
                    for (size_t x = 0; x < width; ++x) {
                        const unsigned token = symbols[x];
                        if (token >= Token::kCount) throw CorruptData("image: no such token");
                        codes[x] = static_cast<uint16_t>(Token::base(token) + low_bits.get(Token::extra_bits(token)));
                    }
                }
            }
            coder.next_row();
        }
        if (y % kStripe == 0 && planes >= 3) {
            if (transforms[y / kStripe] >= kTransforms) throw CorruptData("image: no such colour transform");
            coder.begin_stripe(static_cast<Transform>(transforms[y / kStripe]), picture, y,
                               [&](size_t p) { return groups[p].north(); });
        }
        for (auto &group : groups) coder.restore(group.row(0), group.pitch());
        for (size_t r = 0; r < rows; ++r) coder.store_row(picture, y + r, [&](size_t p) { return groups[p].row(r); });
        for (auto &group : groups) std::copy_n(group.row(kGroup<Sample> - 1), width, group.north());
    }
    decoder.finish();
    if constexpr (sizeof(Sample) == 2)
        low_bits.finish();
    else
        in.end();
}

bool is_wide(const Picture &picture) {
    return std::any_of(picture.planes.begin(), picture.planes.end(), [](const Plane &plane) { return plane.bits > 8; });
}

}  // namespace

std::vector<uint8_t> encode_fast(const Picture &picture) {
    return is_wide(picture) ? encode_as<uint16_t>(picture) : encode_as<uint8_t>(picture);
}

void decode_fast(entropy::ByteReader &in, Picture &picture) {
    if (is_wide(picture))
        decode_as<uint16_t>(in, picture);
    else
        decode_as<uint8_t>(in, picture);
}

}  // namespace laconic::image
