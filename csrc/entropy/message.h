// Arrays to payloads: blocks of 2^20 symbols that are independent, so that threads can share the work. The payload of one block
// is the block; of several, each block after its length in bytes (u32). docs/entropy-models.md has the header that Python puts
// before it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "entropy/categorical.h"
#include "entropy/model.h"
#include "entropy/symbols.h"

namespace laconic::message {

inline constexpr std::size_t kBlockSymbols = std::size_t{1} << 20;

// Lanes of profile C for a block of n symbols: more are faster, each costs about 6 bytes.
inline constexpr int lanes_for(std::size_t n) { return n < (std::size_t{1} << 14) ? 1 : n < (std::size_t{1} << 18) ? 8 : 16; }

// Profile C, any model.
std::vector<std::uint8_t> encode(const Model &model, SymbolView symbols, int jobs);
void decode(const Model &model, std::span<const std::uint8_t> payload, MutableSymbolView symbols, int jobs);

// Profile D, decisions.
std::vector<std::uint8_t> encode_binary(const BernoulliModel &model, SymbolView symbols, int jobs);
void decode_binary(const BernoulliModel &model, std::span<const std::uint8_t> payload, MutableSymbolView symbols, int jobs);

}  // namespace laconic::message
