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

    // How far part k, of values of `bits` bits, is from noise. The sum of squared counts of noise has mean n + n (n - 1) / K for
    // K values.
    struct Flatness {
        uint32_t squares, flat, three_deviations;

        bool is_noise() const { return squares < kSize + flat + three_deviations; }
        bool lacks_less_than(uint32_t share) const { return squares < kSize + flat + flat / share; }
    };
    Flatness flatness(unsigned k, unsigned bits) const {
        uint16_t counts[2][256] = {};
        for (size_t i = 0; i < kSize; ++i) ++counts[i % 2][part[k][i]];
        uint32_t squares = 0;
        for (size_t s = 0; s < 256; ++s) {
            const uint32_t count = static_cast<uint32_t>(counts[0][s] + counts[1][s]);
            squares += count * count;
        }
        constexpr uint32_t kThreeDeviations[] = {3 * 718, 3 * 510, 3 * 361};  // of 6, 7 and 8 bits
        return {squares, kSize * (kSize - 1) >> bits, kThreeDeviations[bits - 6]};
    }
};

// What a sample says of the parts below the joint symbols: the low part, the third and the fourth byte.
struct Noise {
    bool raw[kMaxWidth] = {};  // stored as it is, by part
    bool all = true;           // no structure anywhere

    // For speed, an entropy 0.05 bit short is noise too; of a byte, 0.2 bit short, which profile A does not gain.
    Noise(const Sample &sample, const JointFormat &joint, bool prefer_speed) {
        for (unsigned k = 1; k < joint.element.width; ++k) {
            const auto flatness = sample.flatness(k, k == 1 ? 8 - joint.top : 8);
            const bool noise = prefer_speed ? flatness.lacks_less_than(14) : flatness.is_noise();
            raw[k] = noise || (prefer_speed && k > 1 && flatness.lacks_less_than(4));
            all = all && noise;
        }
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

void join_to(Delivery *delivery, const JointParts<const uint8_t> &parts, size_t n, const JointFormat &joint, uint8_t *raw) {
    if (delivery == nullptr) return join_joint(parts, n, joint, raw);
    const size_t width = joint.element.width, step = Delivery::kStep / width;
    for (size_t first = 0; first < n; first += step) {
        const size_t count = std::min(step, n - first);
        delivery->step(raw + first * width, count * width,
                       [&](uint8_t *memory) { join_joint(parts.from(first, joint.top), count, joint, memory); });
    }
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

uint8_t *put_raw(const uint8_t *symbols, size_t n, uint8_t *out) {
    put_size(out, n + 1);
    out[kSizeBytes] = 0;  // the raw form of an entropy block
    uint8_t *const to = out + kSizeBytes + 1;
    if (symbols != to) std::memcpy(to, symbols, n);
    return to + n;
}

uint8_t *put_low(const uint8_t *low, size_t n, unsigned top, bool prefer_speed, uint8_t *out) {
    const size_t packed_size = packed_bytes(n, top);
    uint8_t *const end = put_block(low, n, prefer_speed, out + 1);
    const bool packed = static_cast<size_t>(end - out) > packed_size - packed_size / 256;
    *out = packed ? kPackedLow : kCodedLow;
    if (packed) pack_low(low, n, top, out + 1);
    return packed ? out + 1 + packed_size : end;
}

// Parts in the order in which they are stored: low, third and fourth byte, joint symbols. Those that are noise, up to the first
// that is not, are split to their places. Size 0 if an exponent does not fit.
JointFrame encode_joint(const uint8_t *raw, size_t n, const JointFormat &joint, const Sample &sample, bool prefer_speed,
                        uint8_t *out) {
    const size_t width = joint.element.width;
    const Noise noise(sample, joint, prefer_speed);
    uint8_t *const memory = scratch(width * n), *p = out;
    JointParts<uint8_t> parts{memory, memory + n, {memory + 2 * n, memory + 3 * n}};
    *p++ = static_cast<uint8_t>(joint.top);
    *p++ = joint.lowest;
    if (noise.raw[1]) {
        parts.packed = p + 1;
        parts.end = parts.packed + packed_bytes(n, joint.top);
        uint8_t *place = parts.end;
        for (size_t k = 2; k < width && noise.raw[k]; ++k, place += n) parts.planes[k - 2] = place += kSizeBytes + 1;
    }
    if (!split_joint(raw, n, joint, parts)) return {0, noise.all};
    if (noise.raw[1]) {
        *p = kPackedLow;
        p = parts.end;
    } else {
        p = put_low(parts.low, n, joint.top, prefer_speed, p);
    }
    for (size_t k = 2; k < width; ++k)
        p = noise.raw[k] ? put_raw(parts.planes[k - 2], n, p) : put_block(parts.planes[k - 2], n, prefer_speed, p);
    return {static_cast<size_t>(put_block(memory, n, prefer_speed, p) - out), noise.all};
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

void decode_joint_frame(const uint8_t *data, size_t size, const ElementFormat &format, uint8_t *raw, size_t raw_size,
                        Delivery *delivery) {
    const size_t width = format.width, n = raw_size / width;
    BlockWalk walk(data, size);
    IntegerForm form;
    const JointFormat joint = read_joint_format(walk, format, form);
    uint8_t *const memory = scratch(raw_size);
    const uint8_t *part[kMaxWidth] = {};
    if (joint.top == 0) {
        for (size_t k = 0; k < width; ++k) part[k] = decode_part(walk, n, memory + k * n);
        join_planes(part, nullptr, n, format, raw);
        if (form != IntegerForm::plain) restore_integers(raw, n, format, form);
    } else {
        JointParts<const uint8_t> parts{};
        const uint8_t method = *walk.take(1);
        if (method > kCodedLow) throw CorruptData("no such form of the low parts");
        if (method == kCodedLow)
            parts.low = decode_part(walk, n, memory + n);
        else
            parts.packed = walk.take(packed_bytes(n, joint.top));
        parts.end = data + size;
        for (size_t k = 2; k < width; ++k) parts.planes[k - 2] = decode_part(walk, n, memory + k * n);
        parts.joint = decode_part(walk, n, memory);
        join_to(delivery, parts, n, joint, raw);
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
