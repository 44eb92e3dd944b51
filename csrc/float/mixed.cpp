#include "float/mixed.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "entropy/block.h"
#include "entropy/cpu.h"
#include "entropy/histogram.h"
#include "float/block_walk.h"
#include "float/joint.h"
#include "float/mixed_impl.h"

namespace laconic::floats {

namespace {

constexpr unsigned kTop = 2;  // mantissa bits that are mixed where the others are noise
constexpr unsigned kMostShift = 7;
constexpr size_t kFewest = 512;  // elements that are worth a model
constexpr size_t kMostStride = 8192;
constexpr size_t kCompared = 32768;  // elements compared with those a row before
constexpr size_t kTried = 16384;     // elements on which the two readings of a byte are compared
constexpr uint32_t kScaleRange = 48, kScaleTop = 60;

using Levels = MixedFormat::Levels;

#if defined(LACONIC_X86)
// `flatten` inlines the whole model, so that all of it is compiled for AVX2 and no AVX2 code has a name that others could link
// to.
[[gnu::target("avx2,bmi,bmi2,lzcnt"), gnu::flatten]] std::vector<uint8_t> encode_avx2(const MixedFormat &format, size_t n,
                                                                                      uint8_t *first, uint8_t *second) {
    return encode_with<mixing::Avx2Kernel>(format, n, first, second);
}

[[gnu::target("avx2,bmi,bmi2,lzcnt"), gnu::flatten]] void decode_avx2(const MixedFormat &format, std::span<const uint8_t> stream,
                                                                      size_t n, uint8_t *first, uint8_t *second) {
    decode_with<mixing::Avx2Kernel>(format, stream, n, first, second);
}
#endif

std::vector<uint8_t> encode_symbols(const MixedFormat &format, size_t n, uint8_t *first, uint8_t *second) {
#if defined(LACONIC_X86)
    if (active_isa() != Isa::scalar) return encode_avx2(format, n, first, second);
#endif
    return encode_with<mixing::ScalarKernel>(format, n, first, second);
}

void decode_symbols(const MixedFormat &format, std::span<const uint8_t> stream, size_t n, uint8_t *first, uint8_t *second) {
#if defined(LACONIC_X86)
    if (active_isa() != Isa::scalar) return decode_avx2(format, stream, n, first, second);
#endif
    decode_with<mixing::ScalarKernel>(format, stream, n, first, second);
}

// ------------------------------------------------------------------ bytes as first symbols: floats have their sign last

uint8_t rotated_left(uint8_t x) { return static_cast<uint8_t>(x << 1 | x >> 7); }
uint8_t rotated_right(uint8_t x) { return static_cast<uint8_t>(x >> 1 | x << 7); }

// ------------------------------------------------------------------ what the encoder finds out

std::vector<uint16_t> levels_of(const MixedFormat &format, size_t n, const uint8_t *first, const uint8_t *second) {
    const auto by_first = format.levels();
    std::vector<uint16_t> levels(n);
    for (size_t i = 0; i < n; ++i)
        levels[i] = static_cast<uint16_t>(by_first[first[i]] + (format.second_bits == 0 ? 0 : second[i] >> 6));
    return levels;
}

// Shift and lowest scale, so that all but the smallest and a few of the largest elements have a scale of their own.
void fit_scales(MixedFormat &format, const std::vector<uint16_t> &levels) {
    std::vector<uint32_t> counts(1024);
    for (const uint16_t level : levels) ++counts[level];
    const auto quantile = [&](size_t below) {
        size_t level = 0;
        for (size_t seen = counts[0]; seen <= below && level + 1 < counts.size(); seen += counts[level]) ++level;
        return static_cast<uint32_t>(level);
    };
    const uint32_t low = quantile(levels.size() / 64), high = quantile(levels.size() - 1 - levels.size() / 1024);
    format.shift = 0;
    while ((high - low) >> format.shift > kScaleRange) ++format.shift;
    const uint32_t top = high >> format.shift;
    format.lowest = top > kScaleTop ? top - kScaleTop : 0;
}

// The distance at which scales differ least.
size_t find_stride(const MixedFormat &format, const std::vector<uint16_t> &levels) {
    std::vector<uint8_t> scales(levels.size());
    for (size_t i = 0; i < levels.size(); ++i) scales[i] = static_cast<uint8_t>(format.scale_of(levels[i]));
    const size_t most = std::min(kMostStride, levels.size() / 4);
    const size_t compared = std::min(kCompared, levels.size() - most);
    const uint8_t *const late = scales.data() + scales.size() - compared;
    size_t best = kLeastStride;
    uint32_t least = UINT32_MAX;
    for (size_t stride = kLeastStride; stride <= most; ++stride) {
        uint32_t sum = 0;
        for (size_t i = 0; i < compared; ++i) sum += static_cast<uint32_t>(std::abs(int{late[i]} - int{*(late + i - stride)}));
        if (sum < least) least = sum, best = stride;
    }
    return best;
}

void describe(MixedFormat &format, size_t n, const uint8_t *first, const uint8_t *second) {
    entropy::ByteCounts counts;
    entropy::count_bytes(first, n, counts);
    format.used.fill(0);
    for (unsigned v = 0; v < 256; ++v)
        if (counts[v] != 0) format.used[v / 8] = static_cast<uint8_t>(format.used[v / 8] | 1u << (v % 8));
    format.centre = format.kind != Levels::distance
                        ? uint8_t{0}
                        : static_cast<uint8_t>(std::max_element(counts.begin(), counts.end()) - counts.begin());
    format.number_values();
    const auto levels = levels_of(format, n, first, second);
    fit_scales(format, levels);
    format.stride = find_stride(format, levels);
}

// ------------------------------------------------------------------ the frame

constexpr size_t kHeadRoom = 64;

uint8_t *write_head(const MixedFormat &format, uint8_t *p) {
    *p++ = static_cast<uint8_t>(format.kind);
    *p++ = static_cast<uint8_t>(format.second_bits);
    *p++ = static_cast<uint8_t>(format.shift);
    *p++ = format.centre;
    *p++ = static_cast<uint8_t>(format.lowest);
    *p++ = static_cast<uint8_t>(format.lowest >> 8);
    p = entropy::write_varint(p, format.stride);
    return std::copy(format.used.begin(), format.used.end(), p);
}

MixedFormat read_head(BlockWalk &walk, const ElementFormat &element, size_t n) {
    MixedFormat format;
    const uint8_t *const p = walk.take(6);
    format.kind = static_cast<Levels>(p[0]);
    format.second_bits = p[1];
    format.shift = p[2];
    format.centre = p[3];
    format.lowest = p[4] | static_cast<uint32_t>(p[5]) << 8;
    format.stride = walk.varint();
    const bool kind = element.width == 1 ? p[0] == 1 || p[0] == 2 : p[0] == 0;
    const bool bits = element.width == 1 ? p[1] == 0 : p[1] == kTop || p[1] == 8;
    if (!kind || !bits || p[2] > kMostShift || format.stride < kLeastStride || format.stride > std::max(n, kLeastStride))
        throw CorruptData("no such mixed elements");
    std::copy_n(walk.take(format.used.size()), format.used.size(), format.used.begin());
    format.number_values();
    return format;
}

using Bytes = std::unique_ptr<uint8_t[]>;  // not the thread's scratch memory: parts are kept while others are coded

}  // namespace

bool can_mix(const ElementFormat &format) { return format.width == 1 || format.rotate != 0; }

size_t mixed_bound(size_t raw_size, const ElementFormat &format) {
    const size_t n = raw_size / format.width;
    return kHeadRoom + raw_size + n / 8 * 6 + 6 + format.width * (kSizeBytes + 1) + entropy::block_bound(n);
}

size_t encode_mixed(const uint8_t *raw, size_t raw_size, const ElementFormat &format, bool noise, size_t limit, uint8_t *out) {
    const size_t width = format.width, n = raw_size / width, rest = raw_size - n * width;
    if (n < kFewest) return 0;
    const Bytes planes(new uint8_t[width * n]);
    uint8_t *const first = planes.get(), *const second = width == 1 ? nullptr : first + n;
    split_planes(raw, nullptr, n, format, first);
    MixedFormat mixed;
    if (width == 1) {
        mixed.second_bits = 0;
        mixed.kind = Levels::distance;
        describe(mixed, n, first, nullptr);
        MixedFormat other = mixed;
        other.kind = Levels::rotated;
        const Bytes symbols(new uint8_t[n]);
        std::transform(first, first + n, symbols.get(), rotated_left);
        describe(other, n, symbols.get(), nullptr);
        const size_t tried = std::min(n, kTried), start = (n - tried) / 2;
        if (encode_symbols(other, tried, symbols.get() + start, nullptr).size() <
            encode_symbols(mixed, tried, first + start, nullptr).size()) {
            mixed = other;
            std::copy_n(symbols.get(), n, first);
        }
    } else {
        mixed.second_bits = noise ? kTop : 8;
        describe(mixed, n, first, second);
    }
    uint8_t *p = write_head(mixed, out);
    if (mixed.second_bits == kTop) {
        const Bytes low(new uint8_t[n]);
        for (size_t i = 0; i < n; ++i) low[i] = second[i] & (0xff >> kTop);
        pack_low(low.get(), n, kTop, p);
        p += packed_bytes(n, kTop);
    }
    for (size_t k = 2; k < width; ++k) {
        const size_t size = entropy::encode_block(first + k * n, n, p + kSizeBytes, {.segments = true});
        put_size(p, size);
        p += kSizeBytes + size;
    }
    const std::vector<uint8_t> stream = encode_symbols(mixed, n, first, second);
    if (static_cast<size_t>(p - out) + stream.size() + rest >= limit) return 0;
    p = std::copy(stream.begin(), stream.end(), p);
    p = std::copy_n(raw + n * width, rest, p);
    return static_cast<size_t>(p - out);
}

void decode_mixed(const uint8_t *data, size_t size, const ElementFormat &format, uint8_t *raw, size_t raw_size) {
    const size_t width = format.width, n = raw_size / width, rest = raw_size - n * width;
    if (!can_mix(format) || size < rest) throw CorruptData("no such mixed elements");
    BlockWalk walk(data, size - rest);
    const MixedFormat mixed = read_head(walk, format, n);
    const Bytes planes(new uint8_t[width * n + 8]);
    uint8_t *const first = planes.get(), *const second = width == 1 ? nullptr : first + n;
    const uint8_t *plane[kMaxWidth] = {};
    for (size_t k = 0; k < width; ++k) plane[k] = first + k * n;
    if (mixed.second_bits == kTop) {
        const size_t packed = packed_bytes(n, kTop);
        const Bytes low(new uint8_t[n + 8]);
        unpack_low(walk.take(packed), data + size, n, kTop, low.get());
        std::copy_n(low.get(), n, second);
    }
    for (size_t k = 2; k < width; ++k) {
        const auto [block, block_size] = walk.next();
        entropy::decode_block(block, block_size, first + k * n, n);
    }
    decode_symbols(mixed, {walk.position(), walk.remaining()}, n, first, second);
    if (mixed.kind == Levels::rotated) std::transform(first, first + n, first, rotated_right);
    join_planes(plane, nullptr, n, format, raw);
    std::memcpy(raw + n * width, data + size - rest, rest);
}

}  // namespace laconic::floats
