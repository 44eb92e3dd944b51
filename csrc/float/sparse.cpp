#include "float/sparse.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <tuple>

#include "entropy/block.h"
#include "entropy/error.h"
#include "entropy/histogram.h"
#include "float/block_walk.h"
#include "float/elements.h"
#include "float/order0.h"
#include "float/planes_impl.h"

namespace laconic::floats {

namespace {

constexpr size_t kMostDistance = 8192;            // bytes of the bitmap: rows of 65,536 elements
constexpr size_t kProbes = 4, kProbeLength = 64;  // places where distances are compared
constexpr size_t kTried = size_t{1} << 15;        // elements of one byte that are looked at first
constexpr unsigned kByteGain = 10;                // percent that a bitmap of one-byte elements must save

using Bytes = std::unique_ptr<uint8_t[]>;

Bytes make_bytes(size_t size) { return Bytes(new uint8_t[size]); }

size_t bitmap_bytes(size_t n) { return (n + 7) / 8; }

// f<T>() for the width.
template <class F>
auto with_type(unsigned width, F &&f) {
    if (width == 1) return f.template operator()<uint8_t>();
    if (width == 2) return f.template operator()<uint16_t>();
    if (width == 4) return f.template operator()<uint32_t>();
    return f.template operator()<uint64_t>();
}

// Bit i % 8 of byte i / 8: whether element i is another one than `value`. Returns how many are.
template <class T>
size_t mark(const uint8_t *raw, size_t n, T value, uint8_t *bitmap) {
    size_t others = 0;
    const auto mark_at = [&](size_t i, size_t count) {
        unsigned bits = 0;
        for (size_t k = 0; k < count; ++k) bits |= unsigned{load<T>(raw + (i + k) * sizeof(T), false) != value} << k;
        bitmap[i / 8] = static_cast<uint8_t>(bits);
        others += static_cast<size_t>(std::popcount(bits));
    };
    for (size_t i = 0; i + 8 <= n; i += 8) mark_at(i, 8);
    if (n % 8 != 0) mark_at(n / 8 * 8, n % 8);
    return others;
}

// Elements other than `value`, one after another; one more may be written.
template <class T>
void gather(const uint8_t *raw, size_t n, T value, uint8_t *others) {
    for (size_t i = 0; i < n; ++i) {
        const T x = load<T>(raw + i * sizeof(T), false);
        store<T>(others, x, false);
        others += x == value ? 0 : sizeof(T);
    }
}

// The inverse: the others are the last elements of raw, and move to the front. A place is written only when what was in it has
// been read: no more elements are left than places.
template <class T>
void spread(uint8_t *raw, size_t n, T value, const uint8_t *bitmap, size_t others) {
    const uint8_t *from = raw + (n - others) * sizeof(T);
    for (size_t i = 0; i < n; i += 8) {
        unsigned bits = bitmap[i / 8];
        const size_t count = std::min<size_t>(8, n - i);
        for (size_t k = 0; k < count; ++k, bits >>= 1) {
            const bool other = (bits & 1) != 0;
            const T x = other ? load<T>(from, false) : value;
            from += other ? sizeof(T) : 0;
            store<T>(raw + (i + k) * sizeof(T), x, false);
        }
    }
}

void subtract(const uint8_t *bitmap, size_t bytes, size_t distance, uint8_t *out) {
    std::copy_n(bitmap, distance, out);
    for (size_t i = distance; i < bytes; ++i) out[i] = bitmap[i] ^ bitmap[i - distance];
}

uint64_t bitmap_cost(const uint8_t *bitmap, size_t bytes) {
    entropy::ByteCounts counts;
    entropy::count_bytes(bitmap, bytes, counts);
    return order0_cost(counts, static_cast<uint32_t>(bytes));
}

// The distance from 2 on at which most bytes are equal, at some places.
size_t likely_distance(const uint8_t *bitmap, size_t bytes) {
    const size_t most = std::min(kMostDistance, bytes / 2);
    if (most < 2 || bytes - most < kProbeLength) return 0;
    size_t best = 0, least = SIZE_MAX;
    const size_t step = (bytes - most - kProbeLength) / (kProbes - 1);
    for (size_t distance = 2; distance <= most; ++distance) {
        size_t different = 0;
        for (size_t probe = 0; probe < kProbes; ++probe) {
            const uint8_t *const at = bitmap + most + probe * step;
            for (size_t i = 0; i < kProbeLength; ++i) different += at[i] != *(at + i - distance);
        }
        if (different < least) least = different, best = distance;
    }
    return best;
}

// The distance that makes the bitmap cheapest (0: none); `stored` becomes the bytes to code.
size_t choose_distance(const uint8_t *bitmap, size_t bytes, bool search, uint8_t *stored, uint64_t &cost) {
    size_t best = 0;
    cost = bitmap_cost(bitmap, bytes);
    for (const size_t distance : {size_t{1}, search ? likely_distance(bitmap, bytes) : 0}) {
        if (distance == 0 || distance >= bytes) continue;
        subtract(bitmap, bytes, distance, stored);
        const uint64_t other = bitmap_cost(stored, bytes);
        if (other < cost - cost / 64) cost = other, best = distance;
    }
    subtract(bitmap, bytes, best == 0 ? bytes : best, stored);
    return best;
}

// Whether a bitmap of bytes may gain something: their own table has no more than what neighbours have in common to lose.
bool neighbours_alike(const uint8_t *raw, size_t n, uint8_t value) {
    const size_t tried = std::min(n, kTried);
    const uint8_t *const from = raw + (n - tried) / 2;
    uint8_t bitmap[kTried / 8], stored[kTried / 8];
    const size_t others = mark<uint8_t>(from, tried, value, bitmap);
    uint64_t cost = 0;
    choose_distance(bitmap, bitmap_bytes(tried), false, stored, cost);
    const uint32_t counts[] = {static_cast<uint32_t>(others), static_cast<uint32_t>(tried - others)};
    return cost < order0_cost(counts, static_cast<uint32_t>(tried), 1) / 100 * (100 - kByteGain);
}

// What precedes the other elements, read and checked.
struct Head {
    const uint8_t *value;
    size_t distance;
    const uint8_t *block, *inner;
    size_t block_size, inner_size;

    Head(const uint8_t *data, size_t size, const ElementFormat &format, size_t raw_size) {
        const size_t n = raw_size / format.width, rest = raw_size - n * format.width;
        if (size < rest) throw CorruptData("the payload ends before its elements");
        BlockWalk walk(data, size - rest);
        value = walk.take(format.width);
        distance = walk.varint();
        if (distance != 0 && distance >= bitmap_bytes(n)) throw CorruptData("a bitmap has no such distance");
        std::tie(block, block_size) = walk.next();
        inner = walk.position();
        inner_size = walk.remaining();
    }

    // The bitmap of n elements; returns how many bits are set.
    size_t read_bitmap(size_t n, uint8_t *bitmap) const {
        const size_t bytes = bitmap_bytes(n);
        entropy::decode_block(block, block_size, bitmap, bytes);
        if (distance != 0)
            for (size_t i = distance; i < bytes; ++i) bitmap[i] ^= bitmap[i - distance];
        if (n % 8 != 0 && bitmap[bytes - 1] >> (n % 8) != 0) throw CorruptData("a bitmap is longer than its elements");
        size_t others = 0;
        for (size_t i = 0; i < bytes; ++i) others += static_cast<size_t>(std::popcount(bitmap[i]));
        return others;
    }
};

}  // namespace

size_t sparse_bound(size_t raw_size, const ElementFormat &format) {
    const size_t bytes = bitmap_bytes(raw_size / format.width);
    return 32 + bytes + entropy::block_bound(bytes) + elements_bound(raw_size, format);
}

size_t encode_sparse(const uint8_t *raw, size_t raw_size, const ElementFormat &format, const uint8_t *value, bool prefer_speed,
                     size_t limit, uint8_t *out) {
    const size_t width = format.width, n = raw_size / width, bytes = bitmap_bytes(n), rest = raw_size - n * width;
    if (width == 1 && prefer_speed && !neighbours_alike(raw, n, *value)) return 0;
    const Bytes bitmap = make_bytes(bytes), stored = make_bytes(bytes);
    const size_t others =
        with_type(format.width, [&]<class T>() { return mark<T>(raw, n, load<T>(value, false), bitmap.get()); });
    uint64_t cost;
    const size_t distance = choose_distance(bitmap.get(), bytes, !prefer_speed, stored.get(), cost);
    uint8_t *p = std::copy_n(value, width, out);
    p = entropy::write_varint(p, distance);
    const size_t size =
        entropy::encode_block(stored.get(), bytes, p + kSizeBytes, {.prefer_speed = prefer_speed, .segments = true});
    put_size(p, size);
    p += kSizeBytes + size;
    if (static_cast<size_t>(p - out) >= limit) return 0;
    if (others != 0) {
        const Bytes elements = make_bytes((others + 1) * width);
        with_type(format.width, [&]<class T>() { gather<T>(raw, n, load<T>(value, false), elements.get()); });
        p += encode_elements(elements.get(), others * width, format, prefer_speed ? Effort::fast : Effort::usual, p, true);
    }
    p = std::copy_n(raw + n * width, rest, p);
    return static_cast<size_t>(p - out) < limit ? static_cast<size_t>(p - out) : 0;
}

void decode_sparse(const uint8_t *data, size_t size, const ElementFormat &format, uint8_t *raw, size_t raw_size) {
    const size_t width = format.width, n = raw_size / width, rest = raw_size - n * width;
    const Head head(data, size, format, raw_size);
    const Bytes bitmap = make_bytes(bitmap_bytes(n));
    const size_t others = head.read_bitmap(n, bitmap.get());
    if (others != 0)
        decode_elements(head.inner, head.inner_size, format, raw + (n - others) * width, others * width, true);
    else if (head.inner_size != 0)
        throw CorruptData("a payload of elements that the bitmap does not have");
    with_type(format.width, [&]<class T>() { spread<T>(raw, n, load<T>(head.value, false), bitmap.get(), others); });
    std::memcpy(raw + n * width, data + size - rest, rest);
}

SparseReport inspect_sparse(const uint8_t *data, size_t size, const ElementFormat &format, size_t raw_size) {
    const size_t n = raw_size / format.width;
    const Head head(data, size, format, raw_size);
    const Bytes bitmap = make_bytes(bitmap_bytes(n));
    const size_t others = head.read_bitmap(n, bitmap.get());
    return {entropy::block_form(head.block, head.block_size), head.block_size, head.inner, head.inner_size,
            others * format.width};
}

}  // namespace laconic::floats
