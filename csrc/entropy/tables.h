// Frequency tables: counts -> frequencies that sum to 2^precision, and their compact form in a block's header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "entropy/bit_io.h"

namespace laconic::entropy {

// Frequencies that sum to 2^precision, at least 1 where counts is not 0, close to the smallest coded size: rounded down, then
// corrected a step at a time where a step gains most (or costs least); ties go to the smaller symbol. At least one count is not
// 0, no more than 2^precision are, and counts sum to less than 2^32.
void normalise(std::span<const uint32_t> counts, unsigned precision, std::span<uint16_t> freqs);

// Size of coding `counts` with `freqs`, in 2^-kLogBits bits. Every symbol that occurs has a frequency.
uint64_t coded_size(std::span<const uint32_t> counts, std::span<const uint16_t> freqs, unsigned precision);

// The compact form: for each symbol up to the last live one, the bit length of its frequency as a difference to the one before
// it, then the frequency's lower bits; runs of absent symbols by length. docs/entropy.md has the codes.
void write_table(BitWriter &out, std::span<const uint16_t> freqs, unsigned precision);

// Reads what write_table wrote; the sum is checked. CorruptData otherwise.
void read_table(BitReader &in, std::span<uint16_t> freqs, unsigned precision);

}  // namespace laconic::entropy
