#include "float/palette.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <vector>

#include "entropy/block.h"
#include "entropy/error.h"
#include "entropy/histogram.h"
#include "float/block_walk.h"
#include "float/joint_frame.h"
#include "float/order0.h"
#include "float/planes_impl.h"
#include "float/scratch.h"

namespace laconic::floats {

namespace {

// Values in the order in which they are met, and the number of each element's.
template <class T>
class Collector {
public:
    Collector() : slots_(kSlots, kNone) {}

    // False if there are more than kMostValues.
    bool collect(const uint8_t *raw, size_t n, bool swap, uint16_t *numbers) {
        for (size_t i = 0; i < n; ++i) {
            const T x = load<T>(raw + i * sizeof(T), swap);
            size_t slot = x;
            if constexpr (sizeof(T) > 2) {  // values of two bytes have a slot each
                slot = static_cast<size_t>((uint64_t{x} * 0x9E3779B97F4A7C15u) >> (64 - kSlotBits));
                while (slots_[slot] != kNone && values_[slots_[slot]] != x) slot = (slot + 1) % kSlots;
            }
            if (slots_[slot] == kNone) {
                if (values_.size() == kMostValues) return false;
                slots_[slot] = static_cast<uint16_t>(values_.size());
                values_.push_back(x);
                counts_.push_back(0);
            }
            numbers[i] = slots_[slot];
            ++counts_[numbers[i]];
        }
        return true;
    }

    const std::vector<T> &values() const { return values_; }
    const std::vector<uint32_t> &counts() const { return counts_; }

private:
    static constexpr unsigned kSlotBits = 16;  // hashed values use at most a quarter
    static constexpr size_t kSlots = size_t{1} << kSlotBits;
    static constexpr uint16_t kNone = 0xffff;

    std::vector<uint16_t> slots_;
    std::vector<T> values_;
    std::vector<uint32_t> counts_;
};

ElementFormat integers_of(const ElementFormat &format) { return {format.width, 0, format.big_endian}; }

bool swaps(const ElementFormat &format) { return format.big_endian != (std::endian::native == std::endian::big); }

// What the indexes take, about: counts[k] elements have index k.
uint64_t index_cost(const std::vector<uint32_t> &counts, uint32_t n) {
    entropy::ByteCounts high{}, low{};
    for (size_t k = 0; k < counts.size(); ++k) high[k >> 8] += counts[k], low[k & 255] += counts[k];
    return order0_cost(low, n) + (counts.size() > 256 ? order0_cost(high, n) : 0);
}

uint8_t *put_block(const uint8_t *symbols, size_t n, bool prefer_speed, uint8_t *out) {
    const size_t size = entropy::encode_block(symbols, n, out + kSizeBytes, {.prefer_speed = prefer_speed, .segments = true});
    put_size(out, size);
    return out + kSizeBytes + size;
}

template <class T>
size_t encode_values(const uint8_t *raw, size_t n, const ElementFormat &format, bool prefer_speed, size_t limit, uint8_t *out) {
    Collector<T> collector;
    std::vector<uint16_t> numbers(n);
    if (!collector.collect(raw, n, swaps(format), numbers.data())) return 0;
    const size_t values = collector.values().size();
    std::vector<uint16_t> order(values), index(values);  // number of the k-th value; its inverse
    std::iota(order.begin(), order.end(), uint16_t{0});
    std::sort(order.begin(), order.end(), [&](uint16_t a, uint16_t b) { return collector.values()[a] < collector.values()[b]; });
    std::vector<uint32_t> counts(values);
    std::vector<uint8_t> sorted(values * sizeof(T));
    for (size_t k = 0; k < values; ++k) {
        index[order[k]] = static_cast<uint16_t>(k);
        counts[k] = collector.counts()[order[k]];
        store<T>(sorted.data() + k * sizeof(T), collector.values()[order[k]], swaps(format));
    }
    uint8_t *p = entropy::write_varint(out, values);
    const size_t values_size =
        encode_joint_frame(sorted.data(), sorted.size(), integers_of(format), prefer_speed, p + kSizeBytes).size;
    put_size(p, values_size);
    p += kSizeBytes + values_size;
    if (static_cast<size_t>(p - out) + whole_bytes(index_cost(counts, static_cast<uint32_t>(n))) >= limit) return 0;
    Scratch memory(2 * n);
    uint8_t *const high = memory.take(n), *const low = memory.take(n);
    for (size_t i = 0; i < n; ++i) {
        const uint16_t k = index[numbers[i]];
        high[i] = static_cast<uint8_t>(k >> 8);
        low[i] = static_cast<uint8_t>(k);
    }
    if (values > 256) p = put_block(high, n, prefer_speed, p);
    return static_cast<size_t>(put_block(low, n, prefer_speed, p) - out);
}

template <class T>
void decode_values(BlockWalk &walk, size_t n, const ElementFormat &format, uint8_t *raw) {
    const size_t values = walk.varint();
    if (values == 0 || values > std::min(n, kMostValues)) throw CorruptData("no such number of values");
    const auto [coded, coded_size] = walk.next();
    std::vector<T> table(std::max<size_t>(values, 256));
    decode_joint_frame(coded, coded_size, integers_of(format), reinterpret_cast<uint8_t *>(table.data()), values * sizeof(T));
    Scratch memory(2 * n);
    uint8_t *const high = memory.take(n), *const low = memory.take(n);
    const auto decode = [&](uint8_t *symbols) {
        const auto [block, size] = walk.next();
        entropy::decode_block(block, size, symbols, n);
    };
    if (values > 256) {
        decode(high);
        decode(low);
        size_t most = 0;
        for (size_t i = 0; i < n; ++i) most = std::max<size_t>(most, size_t{high[i]} << 8 | low[i]);
        if (most >= values) throw CorruptData("an index without a value");
        for (size_t i = 0; i < n; ++i) store<T>(raw + i * sizeof(T), table[size_t{high[i]} << 8 | low[i]], false);
    } else {
        decode(low);
        uint8_t most = 0;
        for (size_t i = 0; i < n; ++i) most = std::max(most, low[i]);
        if (most >= values) throw CorruptData("an index without a value");
        for (size_t i = 0; i < n; ++i) store<T>(raw + i * sizeof(T), table[low[i]], false);
    }
}

}  // namespace

size_t palette_bound(size_t raw_size, const ElementFormat &format) {
    const size_t n = raw_size / format.width, values = std::min(n, kMostValues);
    return 64 + joint_frame_bound(values * format.width, integers_of(format)) + n + entropy::block_bound(n) + format.width;
}

size_t encode_palette(const uint8_t *raw, size_t raw_size, const ElementFormat &format, bool prefer_speed, size_t limit,
                      uint8_t *out) {
    const size_t n = raw_size / format.width, rest = raw_size - n * format.width;
    size_t size = 0;
    if (format.width == 2) size = encode_values<uint16_t>(raw, n, format, prefer_speed, limit, out);
    if (format.width == 4) size = encode_values<uint32_t>(raw, n, format, prefer_speed, limit, out);
    if (format.width == 8) size = encode_values<uint64_t>(raw, n, format, prefer_speed, limit, out);
    std::memcpy(out + size, raw + n * format.width, rest);
    return size != 0 && size + rest < limit ? size + rest : 0;
}

void decode_palette(const uint8_t *data, size_t size, const ElementFormat &format, uint8_t *raw, size_t raw_size) {
    const size_t n = raw_size / format.width, rest = raw_size - n * format.width;
    BlockWalk walk(data, size);
    if (format.width == 1) throw CorruptData("values of one byte are their own indexes");
    if (format.width == 2) decode_values<uint16_t>(walk, n, format, raw);
    if (format.width == 4) decode_values<uint32_t>(walk, n, format, raw);
    if (format.width == 8) decode_values<uint64_t>(walk, n, format, raw);
    if (walk.remaining() != rest) throw CorruptData("the payload is longer or shorter than its elements");
    std::memcpy(raw + n * format.width, walk.position(), rest);
}

PaletteReport inspect_palette(const uint8_t *data, size_t size) {
    BlockWalk walk(data, size);
    PaletteReport report{walk.varint(), walk.next().second, 0, {}, {}};
    report.planes = report.values > 256 ? 2 : 1;
    for (size_t k = 0; k < report.planes; ++k) {
        const auto [block, block_size] = walk.next();
        report.forms[k] = entropy::block_form(block, block_size);
        report.bytes[k] = block_size;
    }
    return report;
}

}  // namespace laconic::floats
