#include "float/weights_frame.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "entropy/block.h"
#include "entropy/error.h"
#include "float/block_walk.h"

namespace laconic::floats {

namespace {

constexpr size_t kMostChunk = kChunk + kChunk / 2;  // what rounding to the nearest number of chunks can give

// Chunks decoded together: the entropy core interleaves blocks that it is given at once, which hides their latency.
constexpr size_t kTogether = 2;

// Planes of the chunks in work; one a thread, made when first used.
uint8_t *scratch() {
    thread_local std::unique_ptr<uint8_t[]> planes(new uint8_t[kTogether * kMaxWidth * kMostChunk]);
    return planes.get();
}

}  // namespace

void check_format(const ElementFormat &format) {
    const bool width = format.width == 1 || format.width == 2 || format.width == 4 || format.width == 8;
    const bool rotate = format.rotate == 0 || (format.width > 1 && (format.rotate == 1 || format.rotate == 4));
    if (!width || !rotate) throw std::invalid_argument("no such element format");
}

size_t chunk_length(size_t count, const ElementFormat &format) {
    const size_t usual = format.width == 1 ? kByteChunk : kChunk;
    const size_t chunks = std::max<size_t>(1, (count + usual / 2) / usual);
    return (count + chunks - 1) / chunks;
}

size_t frame_bound(size_t raw_size, const ElementFormat &format) {
    const size_t chunks = raw_size / format.width / kByteChunk + 1;
    return raw_size + chunks * format.width * (kSizeBytes + 1) + entropy::block_bound(kMostChunk);
}

size_t encode_frame(const uint8_t *raw, size_t raw_size, const uint8_t *base, const ElementFormat &format, bool prefer_speed,
                    uint8_t *out) {
    const entropy::BlockOptions options{.prefer_speed = prefer_speed};
    const size_t width = format.width, count = raw_size / width, chunk = chunk_length(count, format);
    uint8_t *const planes = scratch();
    uint8_t *p = out;
    for (size_t first = 0; first < count; first += chunk) {
        const size_t n = std::min(chunk, count - first);
        split_planes(raw + first * width, base == nullptr ? nullptr : base + first * width, n, format, planes);
        for (size_t k = 0; k < width; ++k) {
            const size_t size = entropy::encode_block(planes + k * n, n, p + kSizeBytes, options);
            put_size(p, size);
            p += kSizeBytes + size;
        }
    }
    const size_t rest = raw_size - count * width;  // an input that ends inside an element
    std::memcpy(p, raw + count * width, rest);
    return static_cast<size_t>(p - out) + rest;
}

void decode_frame(const uint8_t *data, size_t size, const uint8_t *base, const ElementFormat &format, uint8_t *raw,
                  size_t raw_size) {
    const size_t width = format.width, count = raw_size / width, chunk = chunk_length(count, format);
    uint8_t *const planes = scratch();
    BlockWalk walk(data, size);
    for (size_t first = 0; first < count; first += kTogether * chunk) {
        entropy::BlockToDecode coded[kTogether * kMaxWidth];
        const uint8_t *plane[kTogether][kMaxWidth] = {};
        size_t n_coded = 0;
        for (size_t c = 0; c < kTogether && first + c * chunk < count; ++c) {
            const size_t n = std::min(chunk, count - first - c * chunk);
            for (size_t k = 0; k < width; ++k) {
                const auto [block, block_size] = walk.next();
                plane[c][k] = entropy::raw_symbols(block, block_size, n);  // noise is joined from where it lies
                if (plane[c][k] == nullptr) {
                    uint8_t *const symbols = planes + (c * width + k) * chunk;
                    coded[n_coded++] = {block, block_size, symbols, n};
                    plane[c][k] = symbols;
                }
            }
        }
        entropy::decode_blocks({coded, n_coded});
        for (size_t c = 0; c < kTogether && first + c * chunk < count; ++c) {
            const size_t at = first + c * chunk, n = std::min(chunk, count - at);
            join_planes(plane[c], base == nullptr ? nullptr : base + at * width, n, format, raw + at * width);
        }
    }
    const size_t rest = raw_size - count * width;
    if (walk.remaining() != rest) throw CorruptData("the payload is longer or shorter than its elements");
    std::memcpy(raw + count * width, walk.position(), rest);
}

void inspect_frame(const uint8_t *data, size_t size, const ElementFormat &format, size_t raw_size,
                   PlaneReport planes[kMaxWidth]) {
    BlockWalk walk(data, size);
    const size_t count = raw_size / format.width;
    for (size_t first = 0; first < count; first += chunk_length(count, format)) {
        for (size_t k = 0; k < format.width; ++k) {
            const auto [block, block_size] = walk.next();
            if (first == 0) planes[k].form = entropy::block_form(block, block_size);
            planes[k].bytes += block_size + kSizeBytes;
        }
    }
}

}  // namespace laconic::floats
