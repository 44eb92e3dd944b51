// Elements of KV caches to float and back, rounding to nearest even, in integer arithmetic: the same on every machine.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace laconic::kv {

// What a quantised segment holds.
enum class Element : uint8_t { bf16 = 1, fp16 = 2, fp32 = 3 };

constexpr size_t width_of(Element element) { return element == Element::fp32 ? 4 : 2; }

inline float from_bf16(uint16_t x) { return std::bit_cast<float>(uint32_t{x} << 16); }

inline uint16_t to_bf16(float value) {
    const uint32_t x = std::bit_cast<uint32_t>(value);
    if ((x & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>(x >> 16 | 0x40);
    return static_cast<uint16_t>((x + 0x7fff + (x >> 16 & 1)) >> 16);
}

inline float from_fp16(uint16_t x) {
    const uint32_t sign = uint32_t{x} >> 15 << 31, exponent = x >> 10 & 31, mantissa = x & 0x3ff;
    if (exponent == 0) {
        const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
        return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
    }
    return std::bit_cast<float>(sign | (exponent == 31 ? 0x7f800000 : (exponent + 112) << 23) | mantissa << 13);
}

inline uint16_t to_fp16(float value) {
    uint32_t x = std::bit_cast<uint32_t>(value);
    const uint32_t sign = x >> 16 & 0x8000;
    x &= 0x7fffffff;
    if (x >= 0x47800000) return static_cast<uint16_t>(sign | (x > 0x7f800000 ? 0x7e00 : 0x7c00));  // from 2^16 on
    if (x < 0x33000000) return static_cast<uint16_t>(sign);                                        // below 2^-25
    if (x < 0x38800000) {  // below 2^-14: multiples of 2^-24
        const uint32_t shift = 126 - (x >> 23), mantissa = (x & 0x7fffff) | 0x800000;
        const uint32_t kept = mantissa >> shift, lost = mantissa & ((1u << shift) - 1), half = 1u << (shift - 1);
        return static_cast<uint16_t>(sign | (kept + (lost > half || (lost == half && (kept & 1) != 0))));
    }
    return static_cast<uint16_t>(sign | (x + 0xfff + (x >> 13 & 1) - 0x38000000) >> 13);
}

inline void load_row(const uint8_t *raw, size_t n, Element element, float *row) {
    if (element == Element::fp32) {
        std::memcpy(row, raw, 4 * n);
        return;
    }
    for (size_t i = 0; i < n; ++i) {
        const auto x = static_cast<uint16_t>(raw[2 * i] | raw[2 * i + 1] << 8);
        row[i] = element == Element::bf16 ? from_bf16(x) : from_fp16(x);
    }
}

inline void store_row(const float *row, size_t n, Element element, uint8_t *raw) {
    if (element == Element::fp32) {
        std::memcpy(raw, row, 4 * n);
        return;
    }
    for (size_t i = 0; i < n; ++i) {
        const uint16_t x = element == Element::bf16 ? to_bf16(row[i]) : to_fp16(row[i]);
        raw[2 * i] = static_cast<uint8_t>(x);
        raw[2 * i + 1] = static_cast<uint8_t>(x >> 8);
    }
}

}  // namespace laconic::kv
