// Which contexts share a table: those whose symbols are distributed alike, or that are too rare to pay for one of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace laconic::entropy {

struct FittedTables {
    size_t count;                   // of tables, 1 to 256
    std::vector<uint8_t> table_of;  // by context
    std::vector<uint16_t> freqs;    // count tables, each with the sum 2^precision
};

// counts: by context and symbol, contexts * alphabet; at least one is not 0.
FittedTables fit_tables(const std::vector<uint32_t> &counts, size_t alphabet, unsigned precision);

}  // namespace laconic::entropy
