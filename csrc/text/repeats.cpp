#include "text/repeats.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "entropy/error.h"

namespace laconic::text {

namespace {

constexpr size_t kContext = 8, kAhead = 12;

// Eight bytes as a number, the first one lowest.
uint64_t load_eight(const uint8_t *data) {
    uint64_t x;
    std::memcpy(&x, data, kContext);
    return std::endian::native == std::endian::big ? __builtin_bswap64(x) : x;
}

// The last place after each hash of eight bytes. The encoder and the decoder ask for the same places, one after another.
class LastPlaces {
public:
    explicit LastPlaces(size_t size)
        : shift_(64 - std::clamp(static_cast<unsigned>(std::bit_width(size / 2)), 10u, 20u)),
          table_(size_t{1} << (64 - shift_)) {}

    uint32_t &of(uint64_t context) { return table_[context * 0x9E3779B97F4A7C15u >> shift_]; }

    // The place that followed the same context before, 0 if there was none; `at` takes its place.
    size_t replace(uint64_t context, size_t at) { return std::exchange(of(context), static_cast<uint32_t>(at)); }

private:
    unsigned shift_;
    std::vector<uint32_t> table_;
};

size_t common(const uint8_t *a, const uint8_t *b, size_t most) {
    size_t n = 0;
    for (uint64_t x, y; n + 8 <= most; n += 8) {
        std::memcpy(&x, a + n, 8);
        std::memcpy(&y, b + n, 8);
        if (x != y) break;
    }
    while (n < most && a[n] == b[n]) ++n;
    return n;
}

}  // namespace

std::vector<uint8_t> remove_repeats(std::span<const uint8_t> bytes, size_t shortest) {
    const uint8_t *const data = bytes.data();
    const size_t size = bytes.size();
    std::array<size_t, 256> counts{};
    for (const uint8_t byte : bytes) ++counts[byte];
    const auto escape = static_cast<uint8_t>(std::min_element(counts.begin(), counts.end()) - counts.begin());
    std::vector<uint8_t> form(2 + size + counts[escape]);
    uint8_t *to = form.data();
    *to++ = escape;
    LastPlaces places(size);
    for (size_t at = 0; at < size;) {
        if (at + 2 * kAhead < size) {  // places ahead wait for memory meanwhile
            __builtin_prefetch(&places.of(load_eight(data + at + 2 * kAhead - kContext)), 1);
            __builtin_prefetch(data + places.of(load_eight(data + at + kAhead - kContext)));
        }
        const size_t before = at >= kContext ? places.replace(load_eight(data + at - kContext), at) : 0;
        // Most that is not long enough differs in its last eight bytes already.
        if (before != 0 && at + shortest <= size &&
            load_eight(data + before + shortest - 8) == load_eight(data + at + shortest - 8)) {
            size_t length = common(data + before, data + at, size - at);
            if (length >= shortest) {
                *to++ = escape;
                at += length;
                for (length -= shortest; length >= 254; length -= 254) *to++ = 255;
                *to++ = static_cast<uint8_t>(length + 1);
                continue;
            }
        }
        *to++ = data[at];
        if (before != 0 && data[at] == escape) *to++ = 0;
        ++at;
    }
    form.resize(static_cast<size_t>(to - form.data()));
    return form;
}

void restore_repeats(std::span<const uint8_t> form, size_t shortest, std::span<uint8_t> bytes) {
    uint8_t *const data = bytes.data();
    const size_t size = bytes.size();
    if (form.empty()) throw CorruptData("a block without repeats ends before it starts");
    const uint8_t escape = form[0];
    LastPlaces places(size);
    size_t at = 0, next = 1;
    uint64_t context = 0;  // the last eight bytes; reading them back one by one written would wait for the writes
    const auto take = [&] {
        if (next == form.size()) throw CorruptData("a block without repeats ends too soon");
        return form[next++];
    };
    const auto put = [&](uint8_t byte) {
        data[at++] = byte;
        context = context >> 8 | uint64_t{byte} << 56;
    };
    while (at < size) {
        if (next + kAhead < form.size())
            __builtin_prefetch(&places.of(load_eight(&form[next + kAhead - kContext])), 1);  // if no copy comes
        const size_t before = at >= kContext ? places.replace(context, at) : 0;
        const uint8_t byte = take();
        if (byte != escape || before == 0) {
            put(byte);
            continue;
        }
        uint8_t more = take();
        if (more == 0) {
            put(escape);
            continue;
        }
        size_t length = shortest;
        for (; more == 255 && length <= size; more = take()) length += 254;
        if (more == 0 || more == 255) throw CorruptData("a repeat of impossible length");
        length += more - size_t{1};
        if (length > size - at) throw CorruptData("a repeat beyond its block");
        for (size_t i = 0; i < length; ++i) data[at + i] = data[before + i];  // the two may overlap
        at += length;
        context = load_eight(data + at - kContext);
    }
    if (next != form.size()) throw CorruptData("a block without repeats is too long");
}

}  // namespace laconic::text
