// Capital letters as marks before words in small letters, so that a word at the start of a sentence meets the same contexts, and
// is one itself, as in the middle of one (a step of many text compressors; F. S. Awan, A. Mukherjee, "LIPT", 2001).
//
// A word is a longest run of the letters A-Z and a-z. Where its first letter alone is a capital, kCapital stands before it; where
// all of two or more are, kCapitals; the word follows in small letters. Other words stay as they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace laconic::text {

constexpr uint8_t kCapital = 1, kCapitals = 2;

// Only for bytes that hold neither mark.
std::vector<uint8_t> mark_capitals(std::span<const uint8_t> bytes);

// Fills `bytes` exactly, or throws CorruptData.
void restore_capitals(std::span<const uint8_t> form, std::span<uint8_t> bytes);

}  // namespace laconic::text
