// A block: up to 2^24 byte symbols, coded on their own in the form that is smallest. The first byte says which form; the number
// of symbols and the block's size are known from outside. docs/entropy.md specifies every byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace laconic::entropy {

constexpr size_t kMaxBlockSymbols = size_t{1} << 24;

enum class Profile : uint8_t {
    automatic,  // the smallest by an integer estimate; ties go to the one that decodes faster
    raw,        // symbols as they are
    run,        // one dominant symbol: the gaps between the others, and the others, each coded as a block
    a,          // rans_a.h: the fastest, for entropies above ~1.5 bit
    b,          // rans_b.h: the general one
};

struct BlockOptions {
    Profile profile = Profile::automatic;
    int precision = 0;          // of profile B's tables: 10 to 14, 0 = by size
    bool prefer_speed = false;  // automatic takes A where it costs no more than 1/24 over B
    bool segments = false;      // automatic may give parts of the block tables of their own, where their statistics differ
};

// Bytes that encode_block may write while it works; what it returns is never more than n + 1.
size_t block_bound(size_t n);

// Codes symbols[0, n) and returns the block's size. The bytes depend on the symbols and options alone. A forced profile gives way
// to raw (or constant, for equal symbols) where it can't code the symbols in less. std::invalid_argument when n or the precision
// is out of range.
size_t encode_block(const uint8_t *symbols, size_t n, uint8_t *out, const BlockOptions &options = {});

// Decodes exactly n symbols from exactly size bytes; CorruptData when they are not such a block.
void decode_block(const uint8_t *data, size_t size, uint8_t *symbols, size_t n);

// Where the n symbols of a block lie that stores them as they are; nullptr for any other.
const uint8_t *raw_symbols(const uint8_t *data, size_t size, size_t n);

struct BlockToDecode {
    const uint8_t *data;
    size_t size;
    uint8_t *symbols;
    size_t n;
};

// Decodes many blocks, faster than one by one: blocks of profile B that follow each other are decoded two in step.
void decode_blocks(std::span<const BlockToDecode> blocks);

// The form of a block, for reports: "raw", "constant", "run", "A" or "B"; CorruptData if the first byte names none.
const char *block_form(const uint8_t *data, size_t size);

}  // namespace laconic::entropy
