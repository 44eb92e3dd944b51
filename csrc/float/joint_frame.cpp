#include "float/joint_frame.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "entropy/block.h"
#include "entropy/error.h"
#include "float/block_walk.h"
#include "float/integers.h"
#include "float/joint.h"
#include "float/scratch.h"

namespace laconic::floats {

namespace {

constexpr uint8_t kPackedLow = 0, kCodedLow = 1;
constexpr size_t kStep = 4096;  // elements whose parts stay in the first-level cache between two passes

// A sample of a frame: its symbols split like all of them will be.
struct Sample {
    static constexpr uint32_t kRuns = 64, kLength = 64, kSize = kRuns * kLength;
    uint8_t raw[kSize * 4];
    uint8_t part[4][kSize];

    JointParts<uint8_t> parts() { return {part[0], part[1], {part[2], part[3]}}; }

    void take(const uint8_t *frame, size_t n, size_t width) {
        const size_t step = (n - kLength) / (kRuns - 1);
        for (size_t run = 0; run < kRuns; ++run)
            std::memcpy(raw + run * kLength * width, frame + run * step * width, kLength * width);
    }

    // Whether a part of values of `bits` bits is as flat as noise is. The sum of squared counts of noise has mean
    // n + n (n - 1) / K for K values; three deviations (or, for speed, an entropy 0.05 bit short) above it is no noise any more.
    bool is_noise(unsigned k, unsigned bits, bool prefer_speed) const {
        uint16_t counts[2][256] = {};
        for (size_t i = 0; i < kSize; ++i) ++counts[i % 2][part[k][i]];
        uint32_t squares = 0;
        for (size_t s = 0; s < 256; ++s) {
            const uint32_t count = static_cast<uint32_t>(counts[0][s] + counts[1][s]);
            squares += count * count;
        }
        constexpr uint32_t kThreeDeviations[] = {3 * 718, 3 * 510, 3 * 361};  // of 6, 7 and 8 bits
        const uint32_t flat = kSize * (kSize - 1) >> bits;
        return squares < kSize + flat + (prefer_speed ? flat / 14 : kThreeDeviations[bits - 6]);
    }
};

// The largest exponent of the sample.
uint8_t largest_exponent(const Sample &sample, size_t width) {
    uint8_t most = 0;
    for (size_t i = 0; i < Sample::kSize; ++i) {  // bits 1 to 8 from the top
        const uint8_t *const x = sample.raw + i * width + width - 2;
        most = std::max(most, static_cast<uint8_t>(x[1] << 1 | x[0] >> 7));
    }
    return most;
}

// The exponents' window, with room for some that are larger than the sample's.
JointFormat joint_format(const ElementFormat &format, unsigned top, uint8_t largest) {
    const unsigned below = most_index(top) - (top == 1 ? 16 : 6);
    return {format, top, static_cast<uint8_t>(std::min(largest > below ? largest - below : 1u, last_lowest(top)))};
}

uint8_t *put_block(const uint8_t *symbols, size_t n, bool prefer_speed, uint8_t *out) {
    const size_t size = entropy::encode_block(symbols, n, out + kSizeBytes, {.prefer_speed = prefer_speed, .segments = true});
    put_size(out, size);
    return out + kSizeBytes + size;
}

// A part of n symbols: where it lies in the payload if it is raw, else decoded to `symbols`.
const uint8_t *decode_part(BlockWalk &walk, size_t n, uint8_t *symbols) {
    const auto [block, size] = walk.next();
    if (const uint8_t *const raw = entropy::raw_symbols(block, size, n)) return raw;
    entropy::decode_block(block, size, symbols, n);
    return symbols;
}

// The forms of whole planes come after those with joint symbols: `top` 0 is IntegerForm::plain.
constexpr unsigned kMostTop = 2;

uint8_t form_byte(IntegerForm form) {
    return form == IntegerForm::plain ? 0 : static_cast<uint8_t>(kMostTop + static_cast<unsigned>(form));
}

bool is_integer(const ElementFormat &format) { return format.rotate == 0 && format.width > 1; }

JointFormat read_joint_format(BlockWalk &walk, const ElementFormat &format, IntegerForm &form) {
    const uint8_t first = *walk.take(1);
    JointFormat joint{format, first, 0};
    form = IntegerForm::plain;
    for (const IntegerForm other : {IntegerForm::magnitudes, IntegerForm::steps}) {
        if (first != form_byte(other) || !is_integer(format)) continue;
        form = other;
        joint.top = 0;
    }
    if (joint.top == 0) return joint;
    if (joint.top > kMostTop || format.rotate != 1 || format.big_endian || (format.width != 2 && format.width != 4))
        throw CorruptData("no such joint symbols");
    joint.lowest = *walk.take(1);
    return joint;
}

}  // namespace

size_t joint_frame_bound(size_t raw_size, const ElementFormat &format) {
    const size_t n = raw_size / format.width;
    return raw_size + 16 + 2 * n / 8 + format.width * (kSizeBytes + 1) + entropy::block_bound(n);
}

namespace {

// Where a part of a frame that was split goes at once.
uint8_t *put_raw_head(size_t n, uint8_t *out) {
    put_size(out, n + 1);
    out[kSizeBytes] = 0;  // the raw form of an entropy block
    return out + kSizeBytes + 1;
}

// Parts in the order in which they are stored: low, third and fourth byte, joint symbols. Size 0 if an exponent does not fit.
JointFrame encode_joint(const uint8_t *raw, size_t n, const JointFormat &joint, const Sample &sample, bool prefer_speed,
                        uint8_t *out) {
    const size_t width = joint.element.width, packed_size = packed_bytes(n, joint.top);
    uint8_t *const memory = scratch(width * n + kStep), *const step = memory + width * n, *p = out;
    bool noise = sample.is_noise(1, 8 - joint.top, prefer_speed);
    for (unsigned k = 2; k < width; ++k) noise = noise && sample.is_noise(k, 8, prefer_speed);
    *p++ = static_cast<uint8_t>(joint.top);
    *p++ = joint.lowest;
    uint8_t *low = memory + n, *planes[2] = {};
    if (noise) {  // goes straight to its place
        *p++ = kPackedLow;
        low = p;
        p += packed_size;
    }
    for (size_t k = 2; k < width; ++k) {
        planes[k - 2] = noise ? put_raw_head(n, p) : memory + k * n;
        if (noise) p = planes[k - 2] + n;
    }
    for (size_t first = 0; first < n; first += kStep) {
        const size_t count = std::min(kStep, n - first);
        const auto at = [&](uint8_t *plane) { return plane == nullptr ? nullptr : plane + first; };
        const JointParts<uint8_t> parts{memory + first, noise ? step : low + first, {at(planes[0]), at(planes[1])}};
        if (!split_joint(raw + first * width, count, joint, parts)) return {0, noise};
        if (noise) pack_low(step, count, joint.top, low + packed_bytes(first, joint.top));
    }
    if (!noise) {
        uint8_t *const end = put_block(low, n, prefer_speed, p + 1);
        const bool packed = static_cast<size_t>(end - p) > packed_size - packed_size / 256;
        *p = packed ? kPackedLow : kCodedLow;
        if (packed) pack_low(low, n, joint.top, p + 1);
        p = packed ? p + 1 + packed_size : end;
        for (size_t k = 2; k < width; ++k) p = put_block(planes[k - 2], n, prefer_speed, p);
    }
    return {static_cast<size_t>(put_block(memory, n, prefer_speed, p) - out), noise};
}

size_t encode_planes(const uint8_t *raw, size_t n, const ElementFormat &format, bool prefer_speed, uint8_t *out) {
    Scratch memory(2 * format.width * n);
    uint8_t *const planes = memory.take(format.width * n), *p = out;
    const IntegerForm form = is_integer(format) ? choose_integer_form(raw, n, format) : IntegerForm::plain;
    *p++ = form_byte(form);
    if (form == IntegerForm::plain) {
        split_planes(raw, nullptr, n, format, planes);
    } else {
        uint8_t *const y = memory.take(format.width * n);
        transform_integers(raw, n, format, form, y);
        split_planes(y, nullptr, n, {format.width, 0, std::endian::native == std::endian::big}, planes);
    }
    for (size_t k = 0; k < format.width; ++k) p = put_block(planes + k * n, n, prefer_speed, p);
    return static_cast<size_t>(p - out);
}

}  // namespace

JointFrame encode_joint_frame(const uint8_t *raw, size_t raw_size, const ElementFormat &format, bool prefer_speed, uint8_t *out) {
    const size_t n = raw_size / format.width;
    JointFrame frame{0, false};
    if (format.rotate == 1 && !format.big_endian && (format.width == 2 || format.width == 4) && n >= 4 * Sample::kSize) {
        Sample sample;
        sample.take(raw, n, format.width);
        const uint8_t largest = largest_exponent(sample, format.width);
        for (unsigned top = prefer_speed ? 1 : 2; top != 0 && frame.size == 0; --top) {
            const JointFormat joint = joint_format(format, top, largest);
            if (split_joint(sample.raw, Sample::kSize, joint, sample.parts()))
                frame = encode_joint(raw, n, joint, sample, prefer_speed, out);
        }
    }
    if (frame.size == 0) frame.size = encode_planes(raw, n, format, prefer_speed, out);
    const size_t rest = raw_size - n * format.width;  // an input that ends inside an element
    std::memcpy(out + frame.size, raw + n * format.width, rest);
    frame.size += rest;
    return frame;
}

void decode_joint_frame(const uint8_t *data, size_t size, const ElementFormat &format, uint8_t *raw, size_t raw_size) {
    const size_t width = format.width, n = raw_size / width;
    BlockWalk walk(data, size);
    IntegerForm form;
    const JointFormat joint = read_joint_format(walk, format, form);
    uint8_t *const memory = scratch(raw_size + kStep + 8), *const step = memory + raw_size;
    const uint8_t *part[kMaxWidth] = {};
    if (joint.top == 0) {
        for (size_t k = 0; k < width; ++k) part[k] = decode_part(walk, n, memory + k * n);
        join_planes(part, nullptr, n, format, raw);
        if (form != IntegerForm::plain) restore_integers(raw, n, format, form);
    } else {
        const uint8_t method = *walk.take(1);
        if (method > kCodedLow) throw CorruptData("no such form of the low parts");
        part[1] = method == kCodedLow ? decode_part(walk, n, memory + n) : walk.take(packed_bytes(n, joint.top));
        for (size_t k = 2; k < width; ++k) part[k] = decode_part(walk, n, memory + k * n);
        part[0] = decode_part(walk, n, memory);
        for (size_t first = 0; first < n; first += kStep) {
            const size_t count = std::min(kStep, n - first);
            const uint8_t *low = part[1] + first;
            if (method == kPackedLow) {
                unpack_low(part[1] + packed_bytes(first, joint.top), data + size, count, joint.top, step);
                low = step;
            }
            const JointParts<const uint8_t> parts{
                part[0] + first, low, {width == 4 ? part[2] + first : nullptr, width == 4 ? part[3] + first : nullptr}};
            join_joint(parts, count, joint, raw + first * width);
        }
    }
    const size_t rest = raw_size - n * width;
    if (walk.remaining() != rest) throw CorruptData("the payload is longer or shorter than its elements");
    std::memcpy(raw + n * width, walk.position(), rest);
}

size_t inspect_joint_frame(const uint8_t *data, size_t size, const ElementFormat &format, size_t raw_size,
                           PlaneReport parts[kMaxWidth]) {
    BlockWalk walk(data, size);
    IntegerForm form;
    const JointFormat joint = read_joint_format(walk, format, form);
    const size_t n = raw_size / format.width;
    size_t k = 0;
    if (joint.top != 0 && *walk.take(1) == kPackedLow) {
        parts[k++] = {"packed", packed_bytes(n, joint.top)};
        walk.take(packed_bytes(n, joint.top));
    }
    for (; k < format.width; ++k) {
        const auto [block, block_size] = walk.next();
        parts[k] = {entropy::block_form(block, block_size), block_size};
    }
    return format.width;
}

}  // namespace laconic::floats
