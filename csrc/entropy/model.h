// A model says which slots a symbol has, and which symbol a slot has, for symbol number i of a message. Coders know nothing else
// about models, and models nothing about coders: rans_c.h (stack) and range_coder.h (queue) work with every model.
//
// Calls are for runs of consecutive symbols, so that a model may use SIMD and a virtual call is paid once for many symbols. A
// model is immutable: any number of threads may use it at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "entropy/interval.h"

namespace laconic {

class Model {
public:
    virtual ~Model() = default;

    // How many symbols the model describes; kAnyNumber: all are alike.
    static constexpr std::size_t kAnyNumber = SIZE_MAX;
    virtual std::size_t size() const { return kAnyNumber; }

    // out[j] = the slots of symbols[j] at position first + j, j < n. Returns whether any is an escape.
    // Throws std::invalid_argument, which names the position, for a symbol that the model can't code.
    virtual bool intervals(std::size_t first, std::size_t n, const std::int64_t *symbols, Interval *out) const = 0;

    // The inverse: symbols[j] and out[j] of the symbol whose slots hold slots[j] < kTotal. Returns whether any is an escape,
    // whose symbols[j] is then arbitrary. Throws CorruptData for a slot that no symbol owns.
    virtual bool locate(std::size_t first, std::size_t n, const std::uint32_t *slots, std::int64_t *symbols,
                        Interval *out) const = 0;

    // A symbol outside the window of position i as a number >= 0 that grows with its distance, and back.
    // Only models that return escapes have these.
    virtual std::uint64_t escape(std::size_t, std::int64_t) const { throw std::logic_error("model without escapes"); }
    virtual std::int64_t unescape(std::size_t, std::uint64_t) const { throw std::logic_error("model without escapes"); }
};

// Folds what lies outside [low, high] to 0, 1, 2, ...: even above, odd below.
inline std::uint64_t fold_outside(std::int64_t low, std::int64_t high, std::int64_t symbol) {
    return symbol > high ? static_cast<std::uint64_t>(symbol - high - 1) * 2
                         : static_cast<std::uint64_t>(low - 1 - symbol) * 2 + 1;
}
inline std::int64_t unfold_outside(std::int64_t low, std::int64_t high, std::uint64_t value) {
    const auto distance = static_cast<std::int64_t>(value >> 1);
    return (value & 1) ? low - 1 - distance : high + 1 + distance;
}

}  // namespace laconic
