// XXH3 (seed 0, its own secret) of inputs above 240 bytes: of one that comes in pieces, and of several at once.
//
// An input is cut into blocks of 1,024 bytes. What a block adds to a hash's eight accumulators depends on the block alone; after
// it they are scrambled. So hashes that began at different multiples of 1,024 bytes of the same data share all but the
// scrambling: a frame's check and the content hash of what the frame belongs to are taken in one pass.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace laconic::hash {

constexpr size_t kStripe = 64, kBlock = 1024;
constexpr size_t kShort = 240;  // up to here XXH3 is another function, which is not here
constexpr size_t kMostTogether = 4;

using Accumulators = std::array<uint64_t, 8>;

class Xxh3 {
public:
    Xxh3();

    // All hashes take data[0, size); those that are at the same place of a block share the work.
    static void update(std::span<Xxh3 *const> hashes, const uint8_t *data, size_t size);

    // The same for much data: in steps that stay in the first-level cache for hashes that are not at the same place.
    static void update_in_steps(std::span<Xxh3 *const> hashes, const uint8_t *data, size_t size);

    void update(const uint8_t *data, size_t size) {
        Xxh3 *const self = this;
        update({&self, 1}, data, size);
    }

    uint64_t total() const { return total_; }
    // All bytes so far, as long as they are no more than kShort.
    std::span<const uint8_t> short_input() const { return {pending(), total_ <= kShort ? waiting_ : 0}; }

    // Of more than kShort bytes.
    uint64_t digest64() const;
    std::array<uint8_t, 16> digest128() const;  // big-endian, its canonical form

private:
    static void update_alike(std::span<Xxh3 *const> hashes, const uint8_t *data, size_t size);
    bool alike(const Xxh3 &other) const { return total_ % kBlock == other.total_ % kBlock; }
    uint8_t *pending() { return memory_.data() + kStripe; }
    const uint8_t *pending() const { return memory_.data() + kStripe; }
    void add_waiting();
    void keep(const uint8_t *data, size_t size);
    void remember(const uint8_t *end);
    Accumulators finish() const;

    alignas(64) Accumulators sums_;
    std::array<uint8_t, kStripe + kBlock>
        memory_;          // the stripe before what waits, then what waits: the last block is treated apart
    size_t waiting_ = 0;  // 1 to kBlock once there is something
    uint64_t total_ = 0;
};

// Adds whole blocks to the accumulators of up to kMostTogether hashes, and scrambles.
using AddBlocks = void(const uint8_t *data, size_t blocks, std::span<Accumulators *const> hashes);
AddBlocks add_blocks_scalar;
#if defined(LACONIC_X86)
AddBlocks add_blocks_avx2, add_blocks_avx512;
#endif

constexpr uint64_t kPrime32 = 0x9E3779B1;  // of the scrambling
constexpr size_t kScrambleAt = 128;        // in the secret
alignas(64) extern const uint8_t kSecret[192];

}  // namespace laconic::hash
