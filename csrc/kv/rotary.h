// Rotary position embedding (J. Su et al., arXiv 2104.09864) undone before keys are quantised and done again after: channels keep
// their statistics at every position only without it.
//
// Sines and cosines are made of IEEE basic operations in a fixed order, so that every machine has the same bits.
#pragma once

#include <cstddef>
#include <vector>

namespace laconic::kv {

struct Rotary {
    size_t head = 0;                  // channels of a head
    bool neighbours = false;          // pairs (2i, 2i + 1); else (i, i + pairs)
    std::vector<double> frequencies;  // radians a token, by pair; empty: no rotation. Channels after the pairs do not turn

    void check(size_t channels) const;  // std::invalid_argument
};

// The turns of `rows` tokens from `position` on.
class Turns {
public:
    Turns(const Rotary &rotary, size_t position, size_t rows);

    // Turns the pairs of every head in a row; forward: as the model does, else back.
    void apply(float *row_values, size_t channels, size_t row, bool forward) const;

private:
    const Rotary &rotary_;
    std::vector<float> cosines_, sines_;  // by row and pair
};

}  // namespace laconic::kv
