// A segment coded with loss: components of its rows (channels, or a fixed orthogonal transform of them) quantised uniformly,
// their indices coded with static tables. Method 3 of codecs/kv/FORMAT.md.
//
// What the decoder computes is made of IEEE basic operations in a fixed order: every machine reconstructs the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "entropy/byte_io.h"
#include "entropy/contexts.h"
#include "kv/elements.h"
#include "kv/rotary.h"

namespace laconic::kv {

constexpr uint8_t kQuantised = 3;  // method
constexpr uint8_t kEscape = 255;   // of the tables
constexpr uint32_t kLarge = 254;  // symbol of indices whose zigzag code is this or more; the rest of the code follows the symbols

using IndexTables = entropy::ContextTables<uint8_t>;

// What a profile knows of one layer's keys or values.
struct QuantiserSpec {
    size_t channels = 0;
    Rotary rotary;
    std::vector<float> mean, step;  // by channel; by component, above 0
    size_t block = 0;               // channels that are transformed together; 0: components are channels
    std::vector<float> basis;       // channels * block: basis[k * block + j] is component k's share of channel j of its block
    std::vector<uint8_t> table_of;  // by component
};

// Rows of a segment that are coded exactly: the first and the last ones.
struct ExactRows {
    size_t first = 0, last = 0;
};

class Quantiser {
public:
    explicit Quantiser(QuantiserSpec spec);  // std::invalid_argument

    // The payload of `rows` rows at `raw`, whose first is the token at `position`; what it decodes to goes to `reconstructed`.
    // std::invalid_argument for values that are not finite, or too large for an index of 24 bits.
    std::vector<uint8_t> encode(const uint8_t *raw, size_t rows, Element element, size_t position, ExactRows exact, size_t groups,
                                const IndexTables &tables, uint8_t *reconstructed) const;

    // CorruptData unless data[0, size) is exactly such a payload.
    void decode(const uint8_t *data, size_t size, Element element, size_t position, const IndexTables &tables, uint8_t *raw,
                size_t rows) const;

    size_t channels() const { return spec_.channels; }
    size_t tables_needed() const { return tables_needed_; }

private:
    RowShape row_shape() const;
    std::vector<uint16_t> contexts(size_t rows) const;

    QuantiserSpec spec_;
    std::vector<float> transposed_;  // basis, by channel and then component of the block
    size_t tables_needed_;
};

}  // namespace laconic::kv
