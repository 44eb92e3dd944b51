// Copies to memory that will not be read before much else is: its lines are not read from memory first to be overwritten.
#pragma once

#include <cstddef>
#include <cstdint>

namespace laconic {

// Others see what was written after finish_copies().
void copy_past_caches(const uint8_t *from, uint8_t *to, size_t size);
void finish_copies();

}  // namespace laconic
