// The loops of joint.h, included by one file per instruction set like planes_impl.h.
#pragma once

#include <algorithm>
#include <cstring>

#include "float/joint.h"
#include "float/planes_impl.h"

namespace laconic::floats {
namespace {

template <class T, unsigned Top>
bool split_joint_loop(const uint8_t *__restrict raw, size_t n, uint8_t lowest, uint8_t *__restrict joint, uint8_t *__restrict low,
                      uint8_t *__restrict third, uint8_t *__restrict fourth) {
    constexpr unsigned w = 8 * sizeof(T);
    constexpr uint8_t most = static_cast<uint8_t>((256u >> Top) - 1);
    const uint8_t shift = static_cast<uint8_t>(lowest - 1);
    uint8_t outside = 0;
    for (size_t i = 0; i < n; ++i) {
        const T y = rotate_left(load<T>(raw + i * sizeof(T), false), 1);
        const uint8_t e = static_cast<uint8_t>(y >> (w - 8)), second = static_cast<uint8_t>(y >> (w - 16));
        const uint8_t shifted = static_cast<uint8_t>(e - shift), any = static_cast<uint8_t>(e == 0 ? 0 : 255);
        outside |= static_cast<uint8_t>(static_cast<uint8_t>(shifted - 1) >= most ? any : 0);
        joint[i] = static_cast<uint8_t>((shifted & any) << Top | second >> (8 - Top));
        low[i] = static_cast<uint8_t>(second & (255 >> Top));
        if constexpr (sizeof(T) == 4) {
            third[i] = static_cast<uint8_t>(y >> 8);
            fourth[i] = static_cast<uint8_t>(y);
        }
    }
    return outside == 0;
}

constexpr size_t kJointStep = 4096;  // elements whose low parts stay in the first-level cache before they are packed, or after

bool split_joint_step(const uint8_t *raw, size_t n, const JointFormat &format, const JointParts<uint8_t> &parts) {
    const auto split = [&](auto loop) {
        return loop(raw, n, format.lowest, parts.joint, parts.low, parts.planes[0], parts.planes[1]);
    };
    if (format.element.width == 2)
        return format.top == 1 ? split(split_joint_loop<uint16_t, 1>) : split(split_joint_loop<uint16_t, 2>);
    return format.top == 1 ? split(split_joint_loop<uint32_t, 1>) : split(split_joint_loop<uint32_t, 2>);
}

template <class T, unsigned Top>
void join_joint_loop(const JointParts<const uint8_t> &parts, size_t n, uint8_t lowest, uint8_t *__restrict raw) {
    constexpr unsigned w = 8 * sizeof(T);
    const uint8_t *__restrict const joint = parts.joint, *__restrict const low = parts.low;
    const uint8_t *__restrict const third = parts.planes[0], *__restrict const fourth = parts.planes[1];
    const uint8_t shift = static_cast<uint8_t>(lowest - 1);
    for (size_t i = 0; i < n; ++i) {
        const uint8_t index = static_cast<uint8_t>(joint[i] >> Top);
        const uint8_t e = static_cast<uint8_t>(index == 0 ? 0 : index + shift);
        const uint8_t second = static_cast<uint8_t>(joint[i] << (8 - Top) | (low[i] & (255 >> Top)));
        T y = static_cast<T>(T{e} << (w - 8) | T{second} << (w - 16));
        if constexpr (sizeof(T) == 4) y |= static_cast<T>(T{third[i]} << 8 | T{fourth[i]});
        store<T>(raw + i * sizeof(T), rotate_left(y, w - 1), false);
    }
}

void join_joint_step(const JointParts<const uint8_t> &parts, size_t n, const JointFormat &format, uint8_t *raw) {
    if (format.element.width == 2)
        return format.top == 1 ? join_joint_loop<uint16_t, 1>(parts, n, format.lowest, raw)
                               : join_joint_loop<uint16_t, 2>(parts, n, format.lowest, raw);
    format.top == 1 ? join_joint_loop<uint32_t, 1>(parts, n, format.lowest, raw)
                    : join_joint_loop<uint32_t, 2>(parts, n, format.lowest, raw);
}

// Eight bytes of `Bits` bits each to the low 8 * Bits bits of a word, the first one lowest; three steps of halves.
template <unsigned Bits>
inline uint64_t pack_eight(uint64_t x) {
    x = (x & 0x00ff00ff00ff00ff) | (x & 0xff00ff00ff00ff00) >> (8 - Bits);
    x = (x & 0x0000ffff0000ffff) | (x & 0xffff0000ffff0000) >> (2 * (8 - Bits));
    return (x & 0x00000000ffffffff) | (x & 0xffffffff00000000) >> (4 * (8 - Bits));
}

template <unsigned Bits>
inline uint64_t unpack_eight(uint64_t x) {
    constexpr uint64_t four = (uint64_t{1} << 4 * Bits) - 1, two = ((uint64_t{1} << 2 * Bits) - 1) * 0x0000000100000001,
                       one = ((1u << Bits) - 1) * 0x0001000100010001;
    x = (x & four) | (x & four << 4 * Bits) << (4 * (8 - Bits));
    x = (x & two) | (x & two << 2 * Bits) << (2 * (8 - Bits));
    return (x & one) | (x & one << Bits) << (8 - Bits);
}

// A word's low `Bits` bytes, little-endian.
template <unsigned Bits>
inline void store_group(uint8_t *out, uint64_t x) {
    for (unsigned k = 0; k < Bits; ++k) out[k] = static_cast<uint8_t>(x >> (8 * k));
}

inline uint64_t load_eight(const uint8_t *in, size_t bytes) {
    uint64_t x = 0;
    for (size_t k = 0; k < bytes; ++k) x |= uint64_t{in[k]} << (8 * k);
    return x;
}

template <unsigned Bits>
void pack_loop(const uint8_t *low, size_t n, uint8_t *packed) {
    for (size_t i = 0; i < n; i += 8, packed += Bits)
        store_group<Bits>(packed, pack_eight<Bits>(i + 8 <= n ? load_eight(low + i, 8) : load_eight(low + i, n - i)));
}

template <unsigned Bits>
void unpack_loop(const uint8_t *packed, size_t n, uint8_t *low) {
    for (size_t i = 0; i < n; i += 8, packed += Bits) store_group<8>(low + i, unpack_eight<Bits>(load_eight(packed, Bits)));
}

void pack_here(const uint8_t *low, size_t n, unsigned top, uint8_t *packed) {
    top == 1 ? pack_loop<7>(low, n, packed) : pack_loop<6>(low, n, packed);
}

void unpack_here(const uint8_t *packed, size_t n, unsigned top, uint8_t *low) {
    top == 1 ? unpack_loop<7>(packed, n, low) : unpack_loop<6>(packed, n, low);
}

[[maybe_unused]] bool split_joint_here(const uint8_t *raw, size_t n, const JointFormat &format,
                                       const JointParts<uint8_t> &parts) {
    if (parts.packed == nullptr) return split_joint_step(raw, n, format, parts);
    alignas(64) uint8_t low[kJointStep];
    for (size_t first = 0; first < n; first += kJointStep) {
        const size_t count = std::min(kJointStep, n - first);
        JointParts<uint8_t> step = parts.from(first, format.top);
        step.low = low;
        if (!split_joint_step(raw + first * format.element.width, count, format, step)) return false;
        pack_here(low, count, format.top, step.packed);
    }
    return true;
}

[[maybe_unused]] void join_joint_here(const JointParts<const uint8_t> &parts, size_t n, const JointFormat &format, uint8_t *raw) {
    if (parts.packed == nullptr) return join_joint_step(parts, n, format, raw);
    alignas(64) uint8_t low[kJointStep + 8];
    for (size_t first = 0; first < n; first += kJointStep) {
        const size_t count = std::min(kJointStep, n - first);
        JointParts<const uint8_t> step = parts.from(first, format.top);
        unpack_here(step.packed, count, format.top, low);
        step.low = low;
        join_joint_step(step, count, format, raw + first * format.element.width);
    }
}

}  // namespace
}  // namespace laconic::floats
