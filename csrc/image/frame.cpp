#include "image/frame.h"

#include <algorithm>
#include <cstring>

#include "entropy/block.h"
#include "entropy/byte_io.h"
#include "image/channels.h"
#include "image/fast.h"
#include "image/mixed.h"

namespace laconic::image {
namespace {

// The bytes after each row, one row's after another's, as an entropy block in chunks; nothing where rows have none.
void put_padding(entropy::ByteWriter &out, const uint8_t *raw, const PixelFormat &format, size_t height) {
    if (format.padding == 0) return;
    std::vector<uint8_t> bytes;
    for (size_t y = 0; y < height; ++y) {
        const uint8_t *const from = raw + y * format.stride() + format.row_bytes();
        bytes.insert(bytes.end(), from, from + format.padding);
    }
    for (size_t first = 0; first < bytes.size(); first += entropy::kMaxBlockSymbols) {
        const size_t n = std::min(entropy::kMaxBlockSymbols, bytes.size() - first);
        std::vector<uint8_t> block(entropy::block_bound(n));
        block.resize(entropy::encode_block(&bytes[first], n, block.data()));
        out.put_sized(block);
    }
}

void get_padding(entropy::ByteReader &in, const PixelFormat &format, size_t height, uint8_t *raw) {
    if (format.padding == 0) return;
    std::vector<uint8_t> bytes(format.padding * height);
    for (size_t first = 0; first < bytes.size(); first += entropy::kMaxBlockSymbols) {
        const entropy::ByteReader block = in.get_sized();
        const size_t n = std::min(entropy::kMaxBlockSymbols, bytes.size() - first);
        entropy::decode_block(block.position(), block.remaining(), &bytes[first], n);
    }
    for (size_t y = 0; y < height; ++y)
        std::memcpy(raw + y * format.stride() + format.row_bytes(), &bytes[y * format.padding], format.padding);
}

}  // namespace

// Method, the bytes after the last whole row (there are size mod stride of them), padding, channels, and the coded planes.
std::vector<uint8_t> encode_frame(const uint8_t *raw, size_t size, const PixelFormat &format, Method method) {
    const size_t stride = format.stride(), height = size / stride, tail = size % stride;
    if (height == 0 || (method == Method::fast && format.columns() < kFastMinWidth)) return {};
    entropy::ByteWriter out;
    out.put(static_cast<uint8_t>(method));
    out.put_bytes(raw + size - tail, tail);
    put_padding(out, raw, format, height);
    Picture picture(format.columns(), height, format.channels, format.bits);
    read_rows(raw, format, picture);
    simplify(picture, format.bits, format.reversed, out);
    if (!picture.planes.empty()) {
        const std::vector<uint8_t> coded = method == Method::fast ? encode_fast(picture) : encode_mixed(picture);
        out.put_bytes(coded.data(), coded.size());
    }
    return out.take();
}

void decode_frame(const uint8_t *payload, size_t payload_size, const PixelFormat &format, uint8_t *raw, size_t size) {
    const size_t stride = format.stride(), height = size / stride, tail = size % stride;
    entropy::ByteReader in(payload, payload_size);
    const uint8_t method = in.get();
    if (height == 0) throw CorruptData("image: no whole row");
    std::memcpy(raw + size - tail, in.get_bytes(tail), tail);
    get_padding(in, format, height, raw);
    const size_t width = format.columns();
    const Simplified simplified(in, format.channels, format.bits, format.reversed, width * height);
    Picture picture(width, height, 0, format.bits);
    for (const unsigned bits : simplified.coded()) {
        Plane plane;
        plane.samples.resize(width * height);
        plane.bits = bits;
        picture.planes.push_back(std::move(plane));
    }
    if (picture.planes.empty())
        in.end();
    else if (method == static_cast<uint8_t>(Method::fast) && width >= kFastMinWidth)
        decode_fast(in, picture);
    else if (method == static_cast<uint8_t>(Method::mixed))
        decode_mixed(in, picture);
    else
        throw CorruptData("image: no such method");
    simplified.restore(picture);
    write_rows(picture, format, raw);
}

}  // namespace laconic::image
