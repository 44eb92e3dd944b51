// Symbols of a byte, each coded in a context of a byte: neighbouring contexts whose symbols are alike share a table, and the
// tables are stored before the symbols. Payload: codecs/weights/FORMAT.md, method `delta`, "tokens".
#pragma once

#include <cstddef>
#include <cstdint>

#include "float/block_walk.h"
#include "float/scratch.h"

namespace laconic::floats {

size_t token_scratch(size_t n);  // bytes of scratch memory that either direction takes
size_t token_bound(size_t n);    // bytes that encode_tokens may write

// n tokens, at least one; returns the end.
uint8_t *encode_tokens(const uint8_t *tokens, const uint8_t *contexts, size_t n, Scratch &memory, uint8_t *out);

// Moves the walk past them; CorruptData if it does not begin with n tokens.
void decode_tokens(BlockWalk &walk, const uint8_t *contexts, size_t n, Scratch &memory, uint8_t *tokens);

}  // namespace laconic::floats
