#include "float/fields.h"

#include <algorithm>
#include <cstring>

#include "entropy/block.h"
#include "entropy/error.h"
#include "float/block_walk.h"
#include "float/scratch.h"

namespace laconic::floats {

namespace {

constexpr size_t kFieldChunk = size_t{1} << 16;  // symbols that share tables, about

// A plane of m symbols is cut evenly into round(m / kFieldChunk) blocks, at least one.
size_t chunk_of(size_t m) {
    const size_t chunks = std::max<size_t>(1, (m + kFieldChunk / 2) / kFieldChunk);
    return (m + chunks - 1) / chunks;
}

// Calls f(copy), where copy(to, from) moves `run` bytes: a constant size, for the runs that real layouts have, is a few moves.
template <class F>
void with_run(size_t run, F &&f) {
    const auto fixed = [&]<size_t N>() { f([](uint8_t *to, const uint8_t *from) { std::memcpy(to, from, N); }); };
    switch (run) {
        case 1:
            return fixed.template operator()<1>();
        case 2:
            return fixed.template operator()<2>();
        case 4:
            return fixed.template operator()<4>();
        case 8:
            return fixed.template operator()<8>();
        case 16:
            return fixed.template operator()<16>();
        case 32:
            return fixed.template operator()<32>();
        case 64:
            return fixed.template operator()<64>();
        case 128:
            return fixed.template operator()<128>();
        default:
            f([run](uint8_t *to, const uint8_t *from) { std::memcpy(to, from, run); });
    }
}

// One field of n records, to contiguous elements; `raw` points at the field in the first record.
void gather(const uint8_t *raw, size_t n, size_t record, size_t run, uint8_t *elements) {
    with_run(run, [&](auto copy) {
        for (size_t i = 0; i < n; ++i) copy(elements + i * run, raw + i * record);
    });
}

// The inverse.
void scatter(const uint8_t *elements, size_t n, size_t record, size_t run, uint8_t *raw) {
    with_run(run, [&](auto copy) {
        for (size_t i = 0; i < n; ++i) copy(raw + i * record, elements + i * run);
    });
}

// Whether planes are the gathered bytes themselves.
bool is_plain(const Field &field, const uint8_t *base) { return field.format.width == 1 && base == nullptr; }

// Room for a field's elements, its base's elements and its planes.
struct Room {
    uint8_t *elements, *base, *planes;

    Room(size_t bytes, bool with_base) {
        Scratch scratch(bytes * (with_base ? 3 : 2));
        elements = scratch.take(bytes), planes = scratch.take(bytes), base = with_base ? scratch.take(bytes) : nullptr;
    }
};

size_t largest_field(const RecordLayout &layout) {
    size_t most = 0;
    for (const Field &field : layout.fields) most = std::max(most, field.bytes());
    return most;
}

ElementFormat parse_format(uint8_t byte) {
    const ElementFormat format{1u << (byte & 3), (byte >> 2) & 31u, (byte >> 7) != 0};
    const bool rotate = format.rotate == 0 || (format.width > 1 && (format.rotate == 1 || format.rotate == 4));
    if (!rotate) throw CorruptData("a field of no known element format");
    return format;
}

}  // namespace

RecordLayout parse_layout(const uint8_t *data, size_t size) {
    RecordLayout layout;
    for (size_t i = 0; i < size;) {
        if (layout.fields.size() == kMaxFields) throw CorruptData("a record of too many fields");
        Field field{parse_format(data[i++]), 0};
        for (unsigned shift = 0;; shift += 7) {
            if (i == size || shift > 14) throw CorruptData("a field without a count");
            field.count |= static_cast<uint32_t>(data[i] & 0x7f) << shift;
            if ((data[i++] & 0x80) == 0) break;
        }
        layout.size += field.bytes();
        if (field.count == 0 || layout.size > kMaxRecord) throw CorruptData("a field of no size, or a record that is too long");
        layout.fields.push_back(field);
    }
    if (layout.fields.empty()) throw CorruptData("a record without fields");
    return layout;
}

size_t fields_bound(size_t raw_size, const RecordLayout &layout) {
    size_t bound = raw_size + entropy::block_bound(kFieldChunk + kFieldChunk / 2);
    const size_t records = raw_size / layout.size;
    for (const Field &field : layout.fields) {
        bound += (records * field.count / kFieldChunk + 2) * field.format.width * (kSizeBytes + 1);
    }
    return bound;
}

size_t encode_fields(const uint8_t *raw, size_t raw_size, const uint8_t *base, const RecordLayout &layout, bool prefer_speed,
                     uint8_t *out) {
    const entropy::BlockOptions options{.prefer_speed = prefer_speed};
    const size_t n = raw_size / layout.size;
    const Room room(n * largest_field(layout), base != nullptr);
    uint8_t *p = out;
    size_t at = 0;
    for (const Field &field : layout.fields) {
        const size_t m = n * field.count, chunk = chunk_of(m);
        const bool plain = is_plain(field, base);
        gather(raw + at, n, layout.size, field.bytes(), plain ? room.planes : room.elements);
        if (base != nullptr) gather(base + at, n, layout.size, field.bytes(), room.base);
        if (!plain) {
            split_planes(room.elements, base == nullptr ? nullptr : room.base, m, field.format, room.planes);
        }
        for (size_t k = 0; k < field.format.width; ++k) {
            for (size_t first = 0; first < m; first += chunk) {
                const size_t size =
                    entropy::encode_block(room.planes + k * m + first, std::min(chunk, m - first), p + kSizeBytes, options);
                put_size(p, size);
                p += kSizeBytes + size;
            }
        }
        at += field.bytes();
    }
    const size_t rest = raw_size - n * layout.size;  // an input that ends inside a record
    std::memcpy(p, raw + n * layout.size, rest);
    return static_cast<size_t>(p - out) + rest;
}

void decode_fields(const uint8_t *data, size_t size, const uint8_t *base, const RecordLayout &layout, uint8_t *raw,
                   size_t raw_size) {
    const size_t n = raw_size / layout.size;
    const Room room(n * largest_field(layout), base != nullptr);
    std::vector<entropy::BlockToDecode> coded;
    BlockWalk walk(data, size);
    size_t at = 0;
    for (const Field &field : layout.fields) {
        const size_t m = n * field.count, chunk = chunk_of(m);
        coded.clear();
        for (size_t k = 0; k < field.format.width; ++k) {
            for (size_t first = 0; first < m; first += chunk) {
                const auto [block, block_size] = walk.next();
                coded.push_back({block, block_size, room.planes + k * m + first, std::min(chunk, m - first)});
            }
        }
        entropy::decode_blocks(coded);
        const bool plain = is_plain(field, base);
        if (base != nullptr) gather(base + at, n, layout.size, field.bytes(), room.base);
        if (!plain) {
            const uint8_t *plane[kMaxWidth] = {};
            for (size_t k = 0; k < field.format.width; ++k) plane[k] = room.planes + k * m;
            join_planes(plane, base == nullptr ? nullptr : room.base, m, field.format, room.elements);
        }
        scatter(plain ? room.planes : room.elements, n, layout.size, field.bytes(), raw + at);
        at += field.bytes();
    }
    const size_t rest = raw_size - n * layout.size;
    if (walk.remaining() != rest) throw CorruptData("the payload is longer or shorter than its records");
    std::memcpy(raw + n * layout.size, walk.position(), rest);
}

std::vector<std::vector<FieldPlaneReport>> inspect_fields(const uint8_t *data, size_t size, const RecordLayout &layout,
                                                          size_t raw_size) {
    std::vector<std::vector<FieldPlaneReport>> report;
    BlockWalk walk(data, size);
    for (const Field &field : layout.fields) {
        const size_t m = raw_size / layout.size * field.count;
        auto &planes = report.emplace_back(field.format.width);
        for (FieldPlaneReport &plane : planes) {
            for (size_t first = 0; first < m; first += chunk_of(m)) {
                const auto [block, block_size] = walk.next();
                if (first == 0) plane.form = entropy::block_form(block, block_size);
                plane.bytes += block_size + kSizeBytes;
            }
        }
    }
    return report;
}

}  // namespace laconic::floats
