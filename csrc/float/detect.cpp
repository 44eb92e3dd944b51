#include "float/detect.h"

#include <algorithm>
#include <array>

#include "float/order0.h"

namespace laconic::floats {

namespace {

constexpr size_t kFewest = 256;                                       // elements from which a histogram tells something
constexpr unsigned kGain = 3;                                         // percent that planes must be smaller than the bytes
constexpr uint64_t kNoise = uint64_t{15} << (entropy::kLogBits - 1);  // 7.5 bits of the plane with the highest entropy, at least
constexpr unsigned kOrder = 6;                                        // bits of the exponents' plane, at most

using Histogram = std::array<uint32_t, 256>;

struct Split {
    uint64_t total = 0, exponents = 0, noise = 0;  // costs: of all planes, of plane 0, of the dearest plane
};

template <unsigned Width, bool BigEndian, unsigned Rotate>
void count_planes(const uint8_t *data, uint32_t n, Histogram *counts) {
    for (uint32_t i = 0; i < n; ++i, data += Width) {
        uint64_t x = 0;
        for (unsigned k = 0; k < Width; ++k) x = x << 8 | data[BigEndian ? k : Width - 1 - k];
        // Rotated within its width; what is above the width is cut by the planes' bytes.
        x = x << Rotate | x >> (8 * Width - Rotate);
        for (unsigned k = 0; k < Width; ++k) ++counts[k][static_cast<uint8_t>(x >> (8 * (Width - 1 - k)))];
    }
}

Split split_cost(const uint8_t *data, uint32_t n, const ElementFormat &format) {
    Histogram counts[kMaxWidth] = {};
    const unsigned width = format.width;
    const auto count = [&]<unsigned Width, unsigned Rotate>() {
        if (format.big_endian) return count_planes<Width, true, Rotate>(data, n, counts);
        count_planes<Width, false, Rotate>(data, n, counts);
    };
    if (width == 2) count.template operator()<2, 1>();
    if (width == 4) count.template operator()<4, 1>();
    if (width == 8) count.template operator()<8, 4>();
    Split split;
    for (unsigned k = 0; k < width; ++k) {
        const uint64_t cost = order0_cost(counts[k], n);
        split.total += cost;
        split.noise = std::max(split.noise, cost);
        if (k == 0) split.exponents = cost;
    }
    return split;
}

// Which places modulo the largest width have ordered bytes: a quick look before the planes of a format are counted.
std::array<bool, kMaxWidth> ordered_places(const uint8_t *data, size_t size) {
    Histogram counts[kMaxWidth] = {};
    const size_t whole = size / kMaxWidth;
    for (size_t i = 0; i < whole * kMaxWidth; ++i) ++counts[i % kMaxWidth][data[i]];
    std::array<bool, kMaxWidth> ordered{};
    for (size_t k = 0; k < kMaxWidth; ++k) {
        const auto n = static_cast<uint32_t>(whole);
        ordered[k] =
            (order0_cost(counts[k], n) / n) >> entropy::kLogBits < kOrder + 1;  // a sign, and the exponent without its last bit
    }
    return ordered;
}

}  // namespace

Detected detect_elements(const uint8_t *data, size_t size) {
    Detected best;
    size = std::min(size, size_t{1} << 24);
    if (size < kFewest * kMaxWidth) return best;
    Histogram counts{};
    for (size_t i = 0; i < size; ++i) ++counts[data[i]];
    const auto bytes = static_cast<uint32_t>(size);
    uint64_t least = order0_cost(counts, bytes) / bytes / 100 * (100 - kGain);  // of a byte
    constexpr ElementFormat kFloats[] = {{2, 1, false}, {4, 1, false}, {8, 4, false}, {2, 1, true}, {4, 1, true}, {8, 4, true}};
    const auto ordered = ordered_places(data, size);
    for (const ElementFormat &format : kFloats) {
        for (unsigned phase = 0; phase < format.width; ++phase) {
            bool tops_ordered = true;
            for (unsigned at = phase; at < phase + kMaxWidth; at += format.width) {
                tops_ordered &= ordered[(at + (format.big_endian ? 0 : format.width - 1)) % kMaxWidth];
            }
            if (!tops_ordered) continue;
            const auto n = static_cast<uint32_t>((size - phase) / format.width);
            const Split split = split_cost(data + phase, n, format);
            const auto per_symbol = [&](uint64_t cost) { return (cost / n) >> entropy::kLogBits; };
            if (split.total / n / format.width < least && split.noise / n >= kNoise && per_symbol(split.exponents) < kOrder) {
                least = split.total / n / format.width;
                best = {true, format, phase, split.total >> (entropy::kLogBits + 3)};
            }
        }
    }
    return best;
}

}  // namespace laconic::floats
