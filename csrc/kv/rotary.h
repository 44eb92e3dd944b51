// Rotary position embedding (J. Su et al., arXiv 2104.09864) undone before keys are quantised and done again after: channels keep
// their statistics at every position only without it.
//
// Sines and cosines are made of IEEE basic operations in a fixed order, so that every machine has the same bits.
#pragma once

#include <cstddef>
#include <vector>

#include "kv/row_kernels.h"

namespace laconic::kv {

struct Rotary {
    size_t head = 0;                  // channels of a head
    bool neighbours = false;          // pairs (2i, 2i + 1); else (i, i + pairs)
    std::vector<double> frequencies;  // radians a token, by pair; empty: no rotation. Channels after the pairs do not turn

    void check(size_t channels) const;  // std::invalid_argument
};

// Cosines and sines of `rows` tokens from `position` on, by row and pair. Layers are coded one after the other, and all turn
// alike: a thread keeps those that it computed last.
class Turns {
public:
    static const Turns &of(const Rotary &rotary, size_t position, size_t rows);

    RowTurn row(const Rotary &rotary, size_t i) const {
        const size_t pairs = frequencies_.size();
        return {rotary.head, pairs, rotary.neighbours, cosines_.data() + i * pairs, sines_.data() + i * pairs};
    }

private:
    std::vector<double> frequencies_;
    size_t position_ = 0, rows_ = 0;
    std::vector<float> cosines_, sines_;
};

}  // namespace laconic::kv
