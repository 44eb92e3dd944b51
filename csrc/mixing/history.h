// Bit histories: one byte that remembers how often a context was followed by 0 and by 1, and which came last.
//
// A state stands for (n0, n1, last bit) with bounded counts. Seeing a bit raises its count and, where the other count is above 2,
// discards half of the excess: contexts change, and what was seen last says most (as in PAQ6, M. Mahoney 2005; our own bounds and
// numbering). State 0 is "never seen". Tables are built once by integer rules.
#pragma once

#include <array>
#include <cstdint>

namespace laconic::mixing {

struct HistoryTable {
    std::array<std::array<uint8_t, 256>, 2> next;  // by the bit, then the state
    std::array<uint8_t, 256> n0, n1, worth;        // worth: n0 + n1
    std::array<uint16_t, 256> initial;             // first guess of P(1), 16 bits
    int count;                                     // states in use
};

const HistoryTable &histories();

}  // namespace laconic::mixing
