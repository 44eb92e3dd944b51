#include "audio/channels.h"

#include <algorithm>
#include <bit>

#include "entropy/block.h"

namespace laconic::audio {
namespace {

constexpr size_t kMapRange = size_t{1} << 17;  // ranges up to this are looked at for gaps as a whole
constexpr size_t kMapProbe = 4096;             // samples of a larger range that are looked at first
constexpr size_t kMapValues = size_t{1} << 16;
constexpr size_t kCompareChannels = 8;  // earlier channels that a channel is compared with

// What second-order differences would cost, in bits; enough to compare two forms of one signal.
uint64_t rough_bits(const int32_t *x, size_t n) {
    uint64_t bits = 0;
    for (size_t i = 2; i < n; ++i) {
        const uint32_t d = static_cast<uint32_t>(x[i]) - 2 * static_cast<uint32_t>(x[i - 1]) + static_cast<uint32_t>(x[i - 2]);
        bits += static_cast<uint64_t>(std::bit_width(entropy::zigzag(static_cast<int32_t>(d))));
    }
    return bits;
}

// The distinct values, ascending; empty if they are more than a map is worth.
std::vector<int32_t> distinct_values(const int32_t *x, size_t n, int32_t low, int32_t high) {
    const size_t range = static_cast<size_t>(int64_t{high} - low) + 1;
    std::vector<int32_t> values;
    if (range <= kMapRange) {
        std::vector<uint8_t> seen(range);
        for (size_t i = 0; i < n; ++i) seen[static_cast<size_t>(x[i] - low)] = 1;
        const auto count = static_cast<size_t>(std::count(seen.begin(), seen.end(), uint8_t{1}));
        if (count * 4 > range * 3) return {};
        values.reserve(count);
        for (size_t v = 0; v < range; ++v)
            if (seen[v]) values.push_back(low + static_cast<int32_t>(v));
        return values;
    }
    // Of a large range a part must show that values come again.
    for (const size_t part : {std::min(n, kMapProbe), n}) {
        values.assign(x, x + part);
        std::sort(values.begin(), values.end());
        values.erase(std::unique(values.begin(), values.end()), values.end());
        if (values.size() * 3 > part * 2 || values.size() > kMapValues) return {};
    }
    return values;
}

// Replaces values by ranks if that is cheaper with the map counted.
bool try_map(int32_t *x, size_t n, int32_t low, int32_t high, Channel &channel) {
    if (int64_t{high} - low < 3) return false;
    std::vector<int32_t> map = distinct_values(x, n, low, high);
    if (map.empty()) return false;
    const auto origin = static_cast<int32_t>(std::lower_bound(map.begin(), map.end(), 0) - map.begin());
    std::vector<int32_t> mapped(n);
    if (const size_t range = static_cast<size_t>(int64_t{high} - low) + 1; range <= kMapRange) {
        std::vector<int32_t> ranks(range);
        for (size_t r = 0; r < map.size(); ++r) ranks[static_cast<size_t>(map[r] - low)] = static_cast<int32_t>(r);
        for (size_t i = 0; i < n; ++i) mapped[i] = ranks[static_cast<size_t>(x[i] - low)] - origin;
    } else {
        for (size_t i = 0; i < n; ++i)
            mapped[i] = static_cast<int32_t>(std::lower_bound(map.begin(), map.end(), x[i]) - map.begin()) - origin;
    }
    if (rough_bits(mapped.data(), n) + 8 * map.size() >= rough_bits(x, n)) return false;
    std::copy(mapped.begin(), mapped.end(), x);
    channel.kind = ChannelKind::mapped;
    channel.map = std::move(map);
    channel.origin = origin;
    return true;
}

// The distances between neighbouring values, minus 1, as varints in an entropy block.
void write_map(const std::vector<int32_t> &map, entropy::ByteWriter &out) {
    entropy::ByteWriter gaps;
    for (size_t k = 1; k < map.size(); ++k) gaps.put_varint(static_cast<size_t>(int64_t{map[k]} - map[k - 1] - 1));
    const std::vector<uint8_t> bytes = gaps.take();
    std::vector<uint8_t> block(entropy::block_bound(bytes.size()));
    block.resize(entropy::encode_block(bytes.data(), bytes.size(), block.data()));
    out.put_signed(map.front());
    out.put_varint(bytes.size());
    out.put_sized(block);
}

std::vector<int32_t> read_map(entropy::ByteReader &in, size_t length) {
    std::vector<int32_t> map{in.get_signed()};
    const size_t count = in.get_varint();
    if (count == 0 || count > 5 * length) throw CorruptData("audio: a map of values is larger than its samples");
    std::vector<uint8_t> bytes(count);
    const entropy::ByteReader block = in.get_sized();
    entropy::decode_block(block.position(), block.remaining(), bytes.data(), count);
    entropy::ByteReader gaps(bytes.data(), count);
    while (gaps.remaining() > 0) {
        const size_t gap = gaps.get_varint();
        const int64_t value = int64_t{map.back()} + 1 + static_cast<int64_t>(gap);
        if (value > INT32_MAX || map.size() == length) throw CorruptData("audio: a map of values leaves its range");
        map.push_back(static_cast<int32_t>(value));
    }
    return map;
}

}  // namespace

std::vector<Channel> simplify_channels(Planes &planes, entropy::ByteWriter &out) {
    const size_t n = planes.length();
    std::vector<Channel> channels(planes.channels());
    // Copies are of the original samples, so they are found before any plane is changed.
    for (size_t c = 0; c < channels.size(); ++c) {
        for (size_t other = c - std::min(c, kCompareChannels); other < c; ++other) {
            if (!std::equal(planes[c], planes[c] + n, planes[other])) continue;
            channels[c].kind = ChannelKind::copy;
            channels[c].source = other;
            break;
        }
    }
    for (size_t c = 0; c < channels.size(); ++c) {
        Channel &channel = channels[c];
        if (channel.kind == ChannelKind::copy) {
            out.put(static_cast<uint8_t>(channel.kind));
            out.put_varint(c - 1 - channel.source);
            continue;
        }
        int32_t *const x = planes[c];
        const auto [low, high] = std::minmax_element(x, x + n);
        uint32_t bits = 0;
        for (size_t i = 0; i < n; ++i) bits |= static_cast<uint32_t>(x[i]);
        if (*low == *high) {
            channel.kind = ChannelKind::constant;
            channel.value = *low;
        } else if ((bits & 1) == 0) {
            channel.kind = ChannelKind::shifted;
            channel.wasted = static_cast<unsigned>(std::countr_zero(bits));
            for (size_t i = 0; i < n; ++i) x[i] >>= channel.wasted;
        } else {
            try_map(x, n, *low, *high, channel);
        }
        out.put(static_cast<uint8_t>(channel.kind));
        if (channel.kind == ChannelKind::constant) out.put_signed(channel.value);
        if (channel.kind == ChannelKind::shifted) out.put(static_cast<uint8_t>(channel.wasted));
        if (channel.kind == ChannelKind::mapped) {
            write_map(channel.map, out);
            out.put_varint(static_cast<size_t>(channel.origin));
        }
    }
    return channels;
}

std::vector<Channel> read_channels(size_t count, size_t length, entropy::ByteReader &in) {
    std::vector<Channel> channels(count);
    for (size_t c = 0; c < count; ++c) {
        Channel &channel = channels[c];
        const uint8_t kind = in.get();
        if (kind > static_cast<uint8_t>(ChannelKind::mapped)) throw CorruptData("audio: no such kind of channel");
        channel.kind = static_cast<ChannelKind>(kind);
        if (channel.kind == ChannelKind::constant) channel.value = in.get_signed();
        if (channel.kind == ChannelKind::copy) {
            const size_t back = in.get_varint();
            if (back >= c) throw CorruptData("audio: a channel is a copy of one that does not come before it");
            channel.source = c - 1 - back;
        }
        if (channel.kind == ChannelKind::shifted) {
            channel.wasted = in.get();
            if (channel.wasted > 31) throw CorruptData("audio: more low bits are zero than there are");
        }
        if (channel.kind == ChannelKind::mapped) {
            channel.map = read_map(in, length);
            channel.origin = static_cast<int32_t>(std::min(in.get_varint(), channel.map.size()));
        }
    }
    return channels;
}

void restore_channels(const std::vector<Channel> &channels, Planes &planes) {
    const size_t n = planes.length();
    for (size_t c = 0; c < channels.size(); ++c) {
        const Channel &channel = channels[c];
        int32_t *const x = planes[c];
        switch (channel.kind) {
            case ChannelKind::coded:
                break;
            case ChannelKind::constant:
                std::fill(x, x + n, channel.value);
                break;
            case ChannelKind::copy:
                std::copy(planes[channel.source], planes[channel.source] + n, x);
                break;
            case ChannelKind::shifted:
                for (size_t i = 0; i < n; ++i) x[i] = static_cast<int32_t>(static_cast<uint32_t>(x[i]) << channel.wasted);
                break;
            case ChannelKind::mapped:
                for (size_t i = 0; i < n; ++i) {
                    const int64_t rank = int64_t{x[i]} + channel.origin;
                    if (rank < 0 || rank >= static_cast<int64_t>(channel.map.size()))
                        throw CorruptData("audio: a sample lies outside the map of values");
                    x[i] = channel.map[static_cast<size_t>(rank)];
                }
                break;
        }
    }
}

}  // namespace laconic::audio
