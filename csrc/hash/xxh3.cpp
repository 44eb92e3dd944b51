#include "hash/xxh3.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "entropy/cpu.h"

namespace laconic::hash {

namespace {

constexpr uint64_t kPrimes32[] = {0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D};
constexpr uint64_t kPrimes64[] = {0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
                                  0x27D4EB2F165667C5};
constexpr size_t kMergeAt = 11, kMergeHighAt = 117, kLastStripeAt = 121;  // in the secret

uint64_t load(const uint8_t *p) {
    uint64_t x;
    std::memcpy(&x, p, 8);
    if constexpr (std::endian::native != std::endian::little) x = __builtin_bswap64(x);
    return x;
}

// The product's halves xored; by 32-bit halves, since ISO C++ has no integer of 128 bits.
uint64_t folded_product(uint64_t a, uint64_t b) {
    const uint64_t a0 = a & 0xffffffff, a1 = a >> 32, b0 = b & 0xffffffff, b1 = b >> 32;
    const uint64_t low = a0 * b0, cross = a1 * b0 + (low >> 32), other = a0 * b1 + (cross & 0xffffffff);
    const uint64_t high = a1 * b1 + (cross >> 32) + (other >> 32);
    return high ^ (other << 32 | (low & 0xffffffff));
}

void add_stripe(const uint8_t *data, const uint8_t *secret, Accumulators &sums) {
    for (size_t i = 0; i < 8; ++i) {
        const uint64_t value = load(data + 8 * i), keyed = value ^ load(secret + 8 * i);
        sums[i ^ 1] += value;
        sums[i] += (keyed & 0xffffffff) * (keyed >> 32);
    }
}

uint64_t merge(const Accumulators &sums, const uint8_t *secret, uint64_t start) {
    for (size_t i = 0; i < 4; ++i)
        start += folded_product(sums[2 * i] ^ load(secret + 16 * i), sums[2 * i + 1] ^ load(secret + 16 * i + 8));
    start ^= start >> 37;
    start *= 0x165667919E3779F9;
    return start ^ start >> 32;
}

void add_blocks(const uint8_t *data, size_t blocks, std::span<Accumulators *const> hashes) {
#if defined(LACONIC_X86)
    if (active_isa() == Isa::avx512) return add_blocks_avx512(data, blocks, hashes);
    if (active_isa() == Isa::avx2) return add_blocks_avx2(data, blocks, hashes);
#endif
    add_blocks_scalar(data, blocks, hashes);
}

}  // namespace

// The secret that XXH3's specification gives.
#define LACONIC_WORD(x)                                                                                                        \
    uint8_t(x), uint8_t(uint64_t{x} >> 8), uint8_t(uint64_t{x} >> 16), uint8_t(uint64_t{x} >> 24), uint8_t(uint64_t{x} >> 32), \
        uint8_t(uint64_t{x} >> 40), uint8_t(uint64_t{x} >> 48), uint8_t(uint64_t{x} >> 56)
alignas(64) const uint8_t kSecret[192] = {
    LACONIC_WORD(0xbe4ba423396cfeb8), LACONIC_WORD(0x1cad21f72c81017c), LACONIC_WORD(0xdb979083e96dd4de),
    LACONIC_WORD(0x1f67b3b7a4a44072), LACONIC_WORD(0x78e5c0cc4ee679cb), LACONIC_WORD(0x2172ffcc7dd05a82),
    LACONIC_WORD(0x8e2443f7744608b8), LACONIC_WORD(0x4c263a81e69035e0), LACONIC_WORD(0xcb00c391bb52283c),
    LACONIC_WORD(0xa32e531b8b65d088), LACONIC_WORD(0x4ef90da297486471), LACONIC_WORD(0xd8acdea946ef1938),
    LACONIC_WORD(0x3f349ce33f76faa8), LACONIC_WORD(0x1d4f0bc7c7bbdcf9), LACONIC_WORD(0x3159b4cd4be0518a),
    LACONIC_WORD(0x647378d9c97e9fc8), LACONIC_WORD(0xc3ebd33483acc5ea), LACONIC_WORD(0xeb6313faffa081c5),
    LACONIC_WORD(0x49daf0b751dd0d17), LACONIC_WORD(0x9e68d429265516d3), LACONIC_WORD(0xfca1477d58be162b),
    LACONIC_WORD(0xce31d07ad1b8f88f), LACONIC_WORD(0x280416958f3acb45), LACONIC_WORD(0x7e404bbbcafbd7af),
};
#undef LACONIC_WORD

void add_blocks_scalar(const uint8_t *data, size_t blocks, std::span<Accumulators *const> hashes) {
    for (; blocks > 0; --blocks, data += kBlock) {
        Accumulators sums{};
        for (size_t k = 0; k < kBlock / kStripe; ++k) add_stripe(data + kStripe * k, kSecret + 8 * k, sums);
        for (Accumulators *const hash : hashes) {
            for (size_t i = 0; i < 8; ++i) {
                const uint64_t sum = (*hash)[i] + sums[i];
                (*hash)[i] = (sum ^ sum >> 47 ^ load(kSecret + kScrambleAt + 8 * i)) * kPrime32;
            }
        }
    }
}

Xxh3::Xxh3()
    : sums_{kPrimes32[2], kPrimes64[0], kPrimes64[1], kPrimes64[2], kPrimes64[3], kPrimes32[1], kPrimes64[4], kPrimes32[0]} {}

void Xxh3::update(std::span<Xxh3 *const> hashes, const uint8_t *data, size_t size) {
    if (size == 0) return;
    std::array<Xxh3 *, kMostTogether> left, alike;
    size_t n_left = std::min(hashes.size(), left.size());
    std::copy_n(hashes.begin(), n_left, left.begin());
    while (n_left > 0) {
        const auto others =
            std::partition(left.begin(), left.begin() + n_left, [&](Xxh3 *hash) { return !hash->alike(*left[n_left - 1]); });
        const size_t n_alike = static_cast<size_t>(left.begin() + n_left - others);
        std::copy_n(others, n_alike, alike.begin());
        update_alike({alike.data(), n_alike}, data, size);
        n_left -= n_alike;
    }
}

void Xxh3::update_in_steps(std::span<Xxh3 *const> hashes, const uint8_t *data, size_t size) {
    constexpr size_t kStep = size_t{1} << 15;
    for (size_t at = 0; at < size; at += kStep) update(hashes, data + at, std::min(kStep, size - at));
}

void Xxh3::update_alike(std::span<Xxh3 *const> hashes, const uint8_t *data, size_t size) {
    std::array<Accumulators *, kMostTogether> sums;
    for (size_t k = 0; k < hashes.size(); ++k) sums[k] = &hashes[k]->sums_;
    const std::span together(sums.data(), hashes.size());
    for (Xxh3 *const hash : hashes) {
        hash->total_ += size;
        if (hash->waiting_ == kBlock) hash->add_waiting();  // a block is complete when something follows it
    }
    if (const size_t begun = hashes[0]->waiting_; begun != 0) {
        const size_t filling = std::min(kBlock - begun, size);
        for (Xxh3 *const hash : hashes) {
            hash->keep(data, filling);
            if (filling < size) hash->add_waiting();
        }
        data += filling;
        size -= filling;
        if (size == 0) return;
    }
    const size_t blocks = (size - 1) / kBlock;
    add_blocks(data, blocks, together);
    for (Xxh3 *const hash : hashes) {
        if (blocks != 0) hash->remember(data + blocks * kBlock);
        hash->keep(data + blocks * kBlock, size - blocks * kBlock);
    }
}

void Xxh3::add_waiting() {
    Accumulators *const sums = &sums_;
    add_blocks(pending(), 1, {&sums, 1});
    remember(pending() + kBlock);
}

void Xxh3::keep(const uint8_t *data, size_t size) {
    std::memcpy(pending() + waiting_, data, size);
    waiting_ += size;
}

// Nothing waits any more; the last stripe before `end` is kept.
void Xxh3::remember(const uint8_t *end) {
    std::memcpy(memory_.data(), end - kStripe, kStripe);
    waiting_ = 0;
}

Accumulators Xxh3::finish() const {
    Accumulators sums = sums_;
    for (size_t k = 0; k < (waiting_ - 1) / kStripe; ++k) add_stripe(pending() + kStripe * k, kSecret + 8 * k, sums);
    add_stripe(pending() + waiting_ - kStripe, kSecret + kLastStripeAt, sums);  // may begin before what waits
    return sums;
}

uint64_t Xxh3::digest64() const { return merge(finish(), kSecret + kMergeAt, total_ * kPrimes64[0]); }

std::array<uint8_t, 16> Xxh3::digest128() const {
    const Accumulators sums = finish();
    const uint64_t words[2] = {merge(sums, kSecret + kMergeHighAt, ~(total_ * kPrimes64[1])),
                               merge(sums, kSecret + kMergeAt, total_ * kPrimes64[0])};
    std::array<uint8_t, 16> digest;
    for (size_t k = 0; k < 16; ++k) digest[k] = static_cast<uint8_t>(words[k / 8] >> (56 - 8 * (k % 8)));
    return digest;
}

}  // namespace laconic::hash
