#include "checkpoint/residual.h"

#include <algorithm>
#include <array>

#include "checkpoint/residual_split.h"
#include "checkpoint/symbols.h"
#include "entropy/error.h"

namespace laconic::checkpoint {

namespace {

struct Class {
    uint32_t first;    // smallest magnitude
    uint8_t low_bits;  // below the class, stored raw
    bool negative, valid;
};

// By symbol: 0 is no difference, then 2 class - 1 for negative ones and 2 class for positive ones.
template <class T>
constexpr std::array<Class, 256> classes() {
    constexpr unsigned top = kTop<T>, direct = 2u << top, bits = 8 * sizeof(T);
    std::array<Class, 256> table{};
    table[0] = {0, 0, false, true};
    for (unsigned symbol = 1; symbol < 256; ++symbol) {
        const unsigned c = (symbol + 1) / 2;
        const bool negative = symbol % 2 == 1;
        if (c < direct) {
            table[symbol] = {c, 0, negative, true};
            continue;
        }
        const unsigned length = top + 2 + ((c - direct) >> top), low = length - 1 - top;
        if (length > bits) continue;
        const uint32_t head = (1u << top) | ((c - direct) & ((1u << top) - 1));
        table[symbol] = {head << low, static_cast<uint8_t>(low), negative, true};
    }
    return table;
}

template <class T>
constexpr std::array<Class, 256> kClasses = classes<T>();

constexpr size_t kTogether = size_t{1} << 12;  // elements split at once: they stay in the first-level cache

template <class F>
std::vector<uint8_t> encode(const uint8_t *actual, const uint8_t *predicted, const uint16_t *contexts, size_t n) {
    constexpr size_t width = sizeof(typename F::Bits);
    thread_local std::vector<uint8_t> symbols, packed;
    symbols.resize(n);
    uint8_t *p = nullptr;
    if (n == 0 || std::memcmp(actual, predicted, n * width) == 0) {  // a step that was replayed
        std::fill_n(symbols.begin(), n, uint8_t{0});
        packed.clear();
        p = packed.data();
    } else {
        packed.resize(n * width + 8);
        p = packed.data();
        uint8_t low_bits[kTogether];
        uint32_t low[kTogether];
        uint64_t pending = 0;
        unsigned filled = 0;
        for (size_t first = 0; first < n; first += kTogether) {
            const size_t count = std::min(kTogether, n - first);
            split_residuals(actual + first * width, predicted + first * width, count, width, symbols.data() + first, low_bits,
                            low);
            for (size_t i = 0; i < count; ++i) {
                pending |= static_cast<uint64_t>(low[i]) << filled;
                filled += low_bits[i];
                if (filled >= 32) {
                    store(p, static_cast<uint32_t>(pending));
                    p += 4;
                    pending >>= 32;
                    filled -= 32;
                }
            }
        }
        for (; filled > 0; filled -= std::min(filled, 8u), pending >>= 8) *p++ = static_cast<uint8_t>(pending);
    }
    std::vector<uint8_t> out;
    out.reserve(static_cast<size_t>(p - packed.data()) + n + 1024);
    put_symbols(symbols.data(), contexts, n, out);
    out.insert(out.end(), packed.data(), p);
    return out;
}

template <class F>
void decode(const uint8_t *data, size_t size, const uint8_t *predicted, const uint16_t *contexts, size_t n, uint8_t *out) {
    using T = typename F::Bits;
    const auto &table = kClasses<T>;
    thread_local std::vector<uint8_t> symbols;
    symbols.resize(n);
    const uint8_t *const low = get_symbols(data, data + size, contexts, symbols.data(), n);
    const size_t low_size = static_cast<size_t>(data + size - low);
    uint8_t most = 0;
    for (size_t i = 0; i < n; ++i) most = std::max(most, symbols[i]);
    uint64_t bits = 0;
    bool valid = true;
    constexpr unsigned kDirect = 2 * (2u << kTop<T>)-1;  // symbols below have no low bits
    for (size_t i = 0; i < n && most >= kDirect; ++i) {
        bits += table[symbols[i]].low_bits;
        valid &= table[symbols[i]].valid;
    }
    if (!valid) throw CorruptData("a residual of no class");
    if ((bits + 7) / 8 != low_size) throw CorruptData("the low bits of the residuals have another size");
    const auto put = [&](size_t i, uint32_t magnitude, bool negative) {
        const T difference = static_cast<T>(negative ? 0u - magnitude : magnitude);
        store(out + i * sizeof(T), from_ordered(static_cast<T>(to_ordered(load<T>(predicted + i * sizeof(T))) + difference)));
    };
    if (bits == 0) {  // a step that was replayed, all but exactly
        std::copy_n(predicted, n * sizeof(T), out);
        for (size_t i = 0; i < n; ++i) {
            for (; i + 8 <= n && load<uint64_t>(symbols.data() + i) == 0; i += 8) {
            }
            if (i < n && symbols[i] != 0) put(i, table[symbols[i]].first, table[symbols[i]].negative);
        }
        return;
    }
    uint64_t position = 0;
    for (size_t i = 0; i < n; ++i) {
        const Class c = table[symbols[i]];
        const size_t byte = position >> 3;
        uint64_t window = 0;  // low_bits is at most 30, so 8 bytes always hold them
        if (byte + 8 <= low_size)
            window = load<uint64_t>(low + byte);
        else
            for (size_t k = 0; byte + k < low_size; ++k) window |= static_cast<uint64_t>(low[byte + k]) << (8 * k);
        const uint32_t magnitude = c.first + (static_cast<uint32_t>(window >> (position & 7)) & ((1u << c.low_bits) - 1));
        position += c.low_bits;
        put(i, magnitude, c.negative);
    }
}

}  // namespace

std::vector<uint8_t> encode_residual(const uint8_t *actual, const uint8_t *predicted, const uint16_t *contexts, size_t n,
                                     Format format) {
    return with_format(format, [&]<class F>() { return encode<F>(actual, predicted, contexts, n); });
}

void decode_residual(const uint8_t *data, size_t size, const uint8_t *predicted, const uint16_t *contexts, size_t n,
                     Format format, uint8_t *out) {
    with_format(format, [&]<class F>() { decode<F>(data, size, predicted, contexts, n, out); });
}

}  // namespace laconic::checkpoint
