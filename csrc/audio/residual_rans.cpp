#include "audio/residual_rans.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "entropy/block.h"
#include "entropy/contexts.h"

namespace laconic::audio {
namespace {

constexpr unsigned kByteBits = 8;     // of a token
constexpr int kMaxClass = 75;         // of a run whose codes are all 2^32 - 1
constexpr size_t kSmallClasses = 17;  // classes of sums below 2^8: their tokens are the codes themselves
constexpr size_t kRun = 32;           // residuals that share a class

// 0 for a run of zeros; else twice the octave of the sum, plus one in its upper half.
unsigned class_of(uint64_t sum) {
    if (sum == 0) return 0;
    const auto octave = static_cast<unsigned>(std::bit_width(sum)) - 1;
    const uint64_t top = octave >= 8 ? sum >> (octave - 8) : sum << (8 - octave);
    return 1 + 2 * octave + (top >= 362);  // 256 sqrt 2
}

unsigned low_bits_of(unsigned scale) {
    const unsigned bits = scale == 0 ? 0 : (scale - 1) / 2 + 1;
    return bits > kByteBits ? bits - kByteBits : 0;
}

uint16_t table_of(unsigned scale) {
    return static_cast<uint16_t>(scale < kSmallClasses ? scale : kSmallClasses + (scale - 1) % 2);
}

// Low bits of all samples, least significant first.
class LowBitsWriter {
public:
    explicit LowBitsWriter(size_t bound) : bytes_(bound + 8) {}
    void put(uint32_t value, unsigned count) {  // count <= 32
        pending_ |= static_cast<uint64_t>(value) << filled_;
        filled_ += count;
        std::memcpy(bytes_.data() + used_, &pending_, 8);
        used_ += filled_ / 8;
        pending_ >>= filled_ & ~7u;
        filled_ &= 7;
    }
    std::vector<uint8_t> take() {
        bytes_.resize(used_ + (filled_ > 0));
        return std::move(bytes_);
    }

private:
    std::vector<uint8_t> bytes_;
    size_t used_ = 0;
    uint64_t pending_ = 0;
    unsigned filled_ = 0;
};

class LowBitsReader {
public:
    LowBitsReader(const uint8_t *data, size_t size) : data_(data), size_(size) {}
    uint32_t get(unsigned count) {  // count <= 32
        const auto byte = static_cast<size_t>(position_ >> 3);
        uint64_t x = 0;
        if (byte + 8 <= size_)
            std::memcpy(&x, data_ + byte, 8);
        else
            std::memcpy(&x, data_ + byte, size_ - byte);
        x >>= position_ & 7;
        position_ += count;
        return static_cast<uint32_t>(x & ((uint64_t{1} << count) - 1));
    }

private:
    const uint8_t *data_;
    size_t size_;
    uint64_t position_ = 0;
};

}  // namespace

void encode_residuals(const std::vector<const int32_t *> &channels, size_t n, entropy::ByteWriter &out) {
    const size_t runs = (n + kRun - 1) / kRun;
    std::vector<uint8_t> deltas(runs * channels.size()), tokens(n * channels.size());
    std::vector<uint16_t> tables(n * channels.size());
    LowBitsWriter low(4 * n * channels.size());
    size_t count = 0, run = 0;
    for (const int32_t *x : channels) {
        unsigned before = 0;
        for (size_t first = 0; first < n; first += kRun) {
            const size_t m = std::min(kRun, n - first);
            uint32_t z[kRun];
            uint64_t sum = 0;
            for (size_t i = 0; i < m; ++i) sum += z[i] = entropy::zigzag(x[first + i]);
            const unsigned scale = class_of(sum);
            deltas[run++] = static_cast<uint8_t>(entropy::zigzag(static_cast<int32_t>(scale) - static_cast<int32_t>(before)));
            before = scale;
            if (scale == 0) continue;
            const unsigned shift = low_bits_of(scale);
            for (size_t i = 0; i < m; ++i) tokens[count + i] = static_cast<uint8_t>(z[i] >> shift);
            std::fill_n(&tables[count], m, table_of(scale));
            if (shift > 0)
                for (size_t i = 0; i < m; ++i) low.put(z[i] & ((1u << shift) - 1), shift);
            count += m;
        }
    }
    std::vector<uint8_t> block(entropy::block_bound(deltas.size()));
    block.resize(entropy::encode_block(deltas.data(), deltas.size(), block.data()));
    out.put_sized(block);
    out.put_sized(entropy::encode_fitted(tokens.data(), tables.data(), count, 0));
    out.put_sized(low.take());
}

void decode_residuals(const std::vector<int32_t *> &channels, size_t n, entropy::ByteReader &in) {
    const size_t runs = (n + kRun - 1) / kRun;
    std::vector<uint8_t> classes(runs * channels.size()), tokens(n * channels.size());
    const entropy::ByteReader block = in.get_sized();
    entropy::decode_block(block.position(), block.remaining(), classes.data(), classes.size());

    std::vector<uint16_t> tables(n * channels.size());
    size_t count = 0;
    uint64_t low_bits = 0;
    for (size_t c = 0; c < channels.size(); ++c) {
        int32_t scale = 0;
        for (size_t r = 0; r < runs; ++r) {
            uint8_t &delta = classes[c * runs + r];
            scale += entropy::unzigzag(delta);
            if (scale < 0 || scale > kMaxClass) throw CorruptData("audio: a scale leaves its range");
            delta = static_cast<uint8_t>(scale);
            if (scale == 0) continue;
            const size_t m = std::min(kRun, n - r * kRun);
            std::fill_n(&tables[count], m, table_of(static_cast<unsigned>(scale)));
            low_bits += m * low_bits_of(static_cast<unsigned>(scale));
            count += m;
        }
    }
    const entropy::ByteReader coded = in.get_sized();
    entropy::decode_fitted(coded.position(), coded.remaining(), tables.data(), tokens.data(), count);
    const entropy::ByteReader bits = in.get_sized();
    if (bits.remaining() != (low_bits + 7) / 8) throw CorruptData("audio: the low bits of the residuals are cut off");
    LowBitsReader low(bits.position(), bits.remaining());

    const uint8_t *token = tokens.data();
    for (size_t c = 0; c < channels.size(); ++c) {
        for (size_t r = 0; r < runs; ++r) {
            int32_t *const x = channels[c] + r * kRun;
            const size_t m = std::min(kRun, n - r * kRun);
            const unsigned scale = classes[c * runs + r], shift = low_bits_of(scale);
            if (scale == 0) {
                std::fill_n(x, m, 0);
                continue;
            }
            if (shift == 0)
                for (size_t i = 0; i < m; ++i) x[i] = entropy::unzigzag(token[i]);
            else
                for (size_t i = 0; i < m; ++i)
                    x[i] = entropy::unzigzag(static_cast<uint32_t>(token[i]) << shift | low.get(shift));
            token += m;
        }
    }
}

}  // namespace laconic::audio
