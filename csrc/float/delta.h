// Elements coded against a reference that the decoder has: what checkpoints, fine-tunes and weight updates differ by.
//
// Both are taken as integers in numeric order (floats: sign and magnitude made monotone), so that a small step is a small number
// whatever the exponent. A difference becomes a token: small ones are tokens of their own, larger ones the bit length and the
// next two bits, with the rest of the bits raw. Tokens have tables chosen by a context, by default the exponent of the reference:
// how far a weight moved is a property of the optimiser, how many units in the last place that is depends on the exponent.
//
// Payload (codecs/weights/FORMAT.md, method `delta`): form; block flags; groups of contexts; tables; two rANS streams; raw bits;
// rest.
#pragma once

#include <cstddef>
#include <cstdint>

#include "float/planes.h"

namespace laconic::floats {

// Bytes that encode_delta may write.
size_t delta_bound(size_t raw_size, const ElementFormat &format);

// Codes raw[0, raw_size) given base, of the same size and format. `contexts`: one byte for each whole element, chosen by the
// caller from what the decoder will know too (neighbouring values should be alike: tables are shared among them); nullptr: the
// exponent of the base, of integers none. Returns the payload's size.
size_t encode_delta(const uint8_t *raw, const uint8_t *base, const uint8_t *contexts, size_t raw_size,
                    const ElementFormat &format, uint8_t *out);

// Fills raw[0, raw_size), which may be the base itself; CorruptData unless data[0, size) is exactly such a payload.
void decode_delta(const uint8_t *data, size_t size, const uint8_t *base, const uint8_t *contexts, uint8_t *raw, size_t raw_size,
                  const ElementFormat &format);

// ------------------------------------------------------------------ parts, for the per-ISA files

constexpr unsigned kDirect = 16;    // differences, zigzag-coded, below this are their own tokens
constexpr size_t kDeltaBlock = 64;  // elements that share a flag: all unchanged

// Token of a zigzag-coded difference of at most 64 bits: 16 + 4 (length - 5) + the two bits after the leading one.
inline uint8_t token_of(uint64_t z) {
    if (z < kDirect) return static_cast<uint8_t>(z);
    const unsigned length = 64 - static_cast<unsigned>(__builtin_clzll(z));
    return static_cast<uint8_t>(kDirect + 4 * (length - 5) + (z >> (length - 3) & 3));
}
constexpr unsigned extra_bits(uint8_t token) { return token < kDirect ? 0 : (token - kDirect) / 4 + 2; }
constexpr uint64_t token_base(uint8_t token) {
    return token < kDirect ? token : uint64_t{4u | (token & 3u)} << extra_bits(token);
}

// Zigzag-coded differences of n elements, as integers of the element's width, host byte order.
void differences(const uint8_t *raw, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *zigzags);
// The inverse; raw may be base.
void add_differences(const uint8_t *zigzags, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *raw);
// Tokens of n differences; and where tokens are all direct, their differences.
void tokens(const uint8_t *zigzags, size_t n, unsigned width, uint8_t *tokens);
void widen(const uint8_t *tokens, size_t n, unsigned width, uint8_t *zigzags);
// The OR of the tokens of each block of kDeltaBlock.
void unite(const uint8_t *tokens, size_t n, uint8_t *united);
// The default contexts: the byte of the base that holds the exponent.
void base_contexts(const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *contexts);

// tables[i] = table_of[contexts[i]], of 256.
void map_contexts(const uint8_t *contexts, size_t n, const uint8_t *table_of, uint16_t *tables);

}  // namespace laconic::floats
