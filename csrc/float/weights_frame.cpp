#include "float/weights_frame.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string_view>

#include "entropy/block.h"
#include "entropy/error.h"

namespace laconic::floats {

namespace {

// A block's size precedes it, in 3 bytes: a chunk's plane has at most kChunk + 1 bytes.
constexpr size_t kSizeBytes = 3;

void put_size(uint8_t *out, size_t size) {
    for (size_t i = 0; i < kSizeBytes; ++i) out[i] = static_cast<uint8_t>(size >> (8 * i));
}

// Planes of one chunk; one a thread, made when first used.
uint8_t *scratch() {
    thread_local std::unique_ptr<uint8_t[]> planes(new uint8_t[kMaxWidth * kChunk]);
    return planes.get();
}

// Walks the blocks of a payload with every size checked.
class BlockWalk {
public:
    BlockWalk(const uint8_t *data, size_t size) : p_(data), end_(data + size) {}

    std::pair<const uint8_t *, size_t> next() {
        if (remaining() < kSizeBytes) throw CorruptData("the payload ends before a block");
        const size_t size = p_[0] | size_t{p_[1]} << 8 | size_t{p_[2]} << 16;
        p_ += kSizeBytes;
        if (size == 0 || size > remaining()) throw CorruptData("a block reaches past the payload");
        p_ += size;
        return {p_ - size, size};
    }

    size_t remaining() const { return static_cast<size_t>(end_ - p_); }
    const uint8_t *position() const { return p_; }

private:
    const uint8_t *p_, *end_;
};

bool is_raw(const uint8_t *block, size_t size, size_t n) {
    return size == n + 1 && std::string_view(entropy::block_form(block, size)) == "raw";
}

}  // namespace

void check_format(const ElementFormat &format) {
    const bool width = format.width == 1 || format.width == 2 || format.width == 4 || format.width == 8;
    const bool rotate = format.rotate == 0 || (format.width > 1 && (format.rotate == 1 || format.rotate == 4));
    if (!width || !rotate) throw std::invalid_argument("no such element format");
}

size_t frame_bound(size_t raw_size, const ElementFormat &format) {
    const size_t chunks = raw_size / format.width / kChunk + 1;
    return raw_size + chunks * format.width * (kSizeBytes + 1) + entropy::block_bound(kChunk);
}

size_t encode_frame(const uint8_t *raw, size_t raw_size, const uint8_t *base, const ElementFormat &format, bool prefer_speed,
                    uint8_t *out) {
    const entropy::BlockOptions options{.prefer_speed = prefer_speed};
    const size_t width = format.width, count = raw_size / width;
    uint8_t *const planes = scratch();
    uint8_t *p = out;
    for (size_t first = 0; first < count; first += kChunk) {
        const size_t n = std::min(kChunk, count - first);
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
    const size_t width = format.width, count = raw_size / width;
    uint8_t *const planes = scratch();
    BlockWalk walk(data, size);
    for (size_t first = 0; first < count; first += kChunk) {
        const size_t n = std::min(kChunk, count - first);
        const uint8_t *plane[kMaxWidth] = {};
        for (size_t k = 0; k < width; ++k) {
            const auto [block, block_size] = walk.next();
            if (is_raw(block, block_size, n)) {
                plane[k] = block + 1;  // noise is joined from where it lies
            } else {
                entropy::decode_block(block, block_size, planes + k * n, n);
                plane[k] = planes + k * n;
            }
        }
        join_planes(plane, base == nullptr ? nullptr : base + first * width, n, format, raw + first * width);
    }
    const size_t rest = raw_size - count * width;
    if (walk.remaining() != rest) throw CorruptData("the payload is longer or shorter than its elements");
    std::memcpy(raw + count * width, walk.position(), rest);
}

void inspect_frame(const uint8_t *data, size_t size, const ElementFormat &format, size_t raw_size,
                   PlaneReport planes[kMaxWidth]) {
    BlockWalk walk(data, size);
    for (size_t first = 0; first < raw_size / format.width; first += kChunk) {
        for (size_t k = 0; k < format.width; ++k) {
            const auto [block, block_size] = walk.next();
            if (first == 0) planes[k].form = entropy::block_form(block, block_size);
            planes[k].bytes += block_size + kSizeBytes;
        }
    }
}

}  // namespace laconic::floats
