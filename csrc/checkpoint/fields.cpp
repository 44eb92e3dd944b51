#include "checkpoint/fields.h"

#include <algorithm>
#include <memory>

#include "checkpoint/symbols.h"
#include "entropy/error.h"

namespace laconic::checkpoint {

namespace {

constexpr uint8_t kSignless = 1, kLowZero = 2;  // flags, the payload's first byte

// Eight values of `bits` < 8 bits each, one a byte, to 8 * bits bits, and back: neighbours are joined to pairs, those to fours.
inline uint64_t pack_eight(uint64_t x, unsigned bits) {
    const uint64_t ones = 0x0001000100010001u * ((uint64_t{1} << bits) - 1);
    x = (x & ones) | (x & ~ones) >> (8 - bits);
    const uint64_t pairs = 0x0000000100000001u * ((uint64_t{1} << 2 * bits) - 1);
    x = (x & pairs) | (x & ~pairs) >> (16 - 2 * bits);
    const uint64_t fours = (uint64_t{1} << 4 * bits) - 1;
    return (x & fours) | (x & ~fours) >> (32 - 4 * bits);
}

inline uint64_t unpack_eight(uint64_t x, unsigned bits) {
    const uint64_t fours = (uint64_t{1} << 4 * bits) - 1;
    x = (x & fours) | (x & ~fours) << (32 - 4 * bits);
    const uint64_t pairs = 0x0000000100000001u * ((uint64_t{1} << 2 * bits) - 1);
    x = (x & pairs) | (x & ~pairs) << (16 - 2 * bits);
    const uint64_t ones = 0x0001000100010001u * ((uint64_t{1} << bits) - 1);
    return (x & ones) | (x & ~ones) << (8 - bits);
}

size_t packed_size(size_t n, unsigned bits) { return (n + 7) / 8 * bits; }

void pack(const uint8_t *values, size_t n, unsigned bits, std::vector<uint8_t> &out) {
    const size_t at = out.size();
    out.resize(at + packed_size(n, bits));
    uint8_t *p = out.data() + at;
    for (size_t i = 0; i < n; i += 8, p += bits) {
        uint8_t group[8] = {}, packed[8];
        std::copy_n(values + i, std::min<size_t>(8, n - i), group);
        store(packed, pack_eight(load<uint64_t>(group), bits));
        std::copy_n(packed, bits, p);
    }
}

void unpack(const uint8_t *p, size_t n, unsigned bits, uint8_t *values) {
    for (size_t i = 0; i < n; i += 8, p += bits) {
        uint8_t group[8] = {}, plain[8];
        std::copy_n(p, bits, group);
        store(plain, unpack_eight(load<uint64_t>(group), bits));
        std::copy_n(plain, std::min<size_t>(8, n - i), values + i);
    }
}

// The bits beside the exponent: sign (unless there is none) above mantissa.
template <class F>
constexpr unsigned rest_bits(bool signless) {
    return F::kMantissaBits + (signless ? 0 : 1);
}

template <class F>
std::vector<uint8_t> encode(const uint8_t *actual, const uint16_t *contexts, size_t n) {
    using T = typename F::Bits;
    constexpr T kMantissa = static_cast<T>((T{1} << F::kMantissaBits) - 1);
    T any = 0;
    for (size_t i = 0; i < n; ++i) any = static_cast<T>(any | load<T>(actual + i * sizeof(T)));
    const bool signless = (any >> (8 * sizeof(T) - 1)) == 0;
    const unsigned rest = rest_bits<F>(signless), planes = rest / 8, low_bits = rest % 8;
    const bool low_zero = (any & ((1u << low_bits) - 1)) == 0;
    // Planes of the exponents, of the rest's bytes from the top down, and of its lowest bits.
    const std::unique_ptr<uint8_t[]> plane(new uint8_t[(planes + 2) * n]);
    uint8_t *const low = plane.get() + (planes + 1) * n;
    for (size_t i = 0; i < n; ++i) {
        const T x = load<T>(actual + i * sizeof(T));
        const uint32_t r = (x & kMantissa) | static_cast<uint32_t>(x >> (8 * sizeof(T) - 1)) << F::kMantissaBits;
        plane[i] = static_cast<uint8_t>(F::exponent(x));
        for (unsigned k = 0; k < planes; ++k) plane[(k + 1) * n + i] = static_cast<uint8_t>(r >> (rest - 8 * (k + 1)));
        low[i] = static_cast<uint8_t>(r & ((1u << low_bits) - 1));
    }
    std::vector<uint8_t> out{static_cast<uint8_t>((signless ? kSignless : 0) | (low_zero ? kLowZero : 0))};
    out.reserve(n * sizeof(T) + 64);
    put_symbols(plane.get(), contexts, n, out);
    for (unsigned k = 1; k <= planes; ++k) put_symbols(plane.get() + k * n, nullptr, n, out);
    if (!low_zero) pack(low, n, low_bits, out);
    return out;
}

template <class F>
void decode(const uint8_t *data, size_t size, const uint16_t *contexts, size_t n, uint8_t *out) {
    using T = typename F::Bits;
    constexpr T kMantissa = static_cast<T>((T{1} << F::kMantissaBits) - 1);
    const uint8_t *const end = data + size;
    if (size == 0 || data[0] > (kSignless | kLowZero)) throw CorruptData("no such fields");
    const bool signless = (data[0] & kSignless) != 0, low_zero = (data[0] & kLowZero) != 0;
    const unsigned rest = rest_bits<F>(signless), planes = rest / 8, low_bits = rest % 8;
    const std::unique_ptr<uint8_t[]> plane(new uint8_t[(planes + 2) * n]());
    uint8_t *const low = plane.get() + (planes + 1) * n;
    const uint8_t *p = get_symbols(data + 1, end, contexts, plane.get(), n);
    for (unsigned k = 1; k <= planes; ++k) p = get_symbols(p, end, nullptr, plane.get() + k * n, n);
    if (static_cast<size_t>(end - p) != (low_zero ? 0 : packed_size(n, low_bits)))
        throw CorruptData("the low bits of the fields have another size");
    if (!low_zero) unpack(p, n, low_bits, low);
    for (size_t i = 0; i < n; ++i) {
        uint32_t r = 0;
        for (unsigned k = 0; k < planes; ++k) r |= static_cast<uint32_t>(plane[(k + 1) * n + i]) << (rest - 8 * (k + 1));
        r |= low[i];
        const T sign = static_cast<T>(r >> F::kMantissaBits), exponent = plane[i];
        if (exponent >> F::kExponentBits != 0) throw CorruptData("an exponent that the format does not have");
        store(out + i * sizeof(T), static_cast<T>(sign << (8 * sizeof(T) - 1) | exponent << F::kMantissaBits | (r & kMantissa)));
    }
}

}  // namespace

std::vector<uint8_t> encode_fields(const uint8_t *actual, const uint16_t *contexts, size_t n, Format format) {
    return with_format(format, [&]<class F>() { return encode<F>(actual, contexts, n); });
}

void decode_fields(const uint8_t *data, size_t size, const uint16_t *contexts, size_t n, Format format, uint8_t *out) {
    with_format(format, [&]<class F>() { decode<F>(data, size, contexts, n, out); });
}

}  // namespace laconic::checkpoint
