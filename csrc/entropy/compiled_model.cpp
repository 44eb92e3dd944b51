#include "entropy/compiled_model.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>

#include "entropy/categorical.h"
#include "entropy/range_coder.h"

namespace laconic::compiled_model {

namespace {

// The caller's function with what it works on: the same for both directions.
class Run {
public:
    Run(const Program &program, std::size_t size)
        : program_(program), state_(program.state.begin(), program.state.end()), weights_(program.alphabet), symbols_(size) {}

    void next(std::size_t i) {
        program_.next(static_cast<std::int64_t>(i), symbols_.data(), state_.data(), weights_.data());
        total_ = 0;
        for (const std::uint32_t w : weights_) total_ += w;
        if (total_ == 0 || total_ >> 32 != 0)
            throw std::invalid_argument("the model's weights at position " + std::to_string(i) + " sum to " +
                                        std::to_string(total_) + ", not to 1 .. 2^32 - 1");
    }

    Interval interval(std::size_t symbol) const {
        const Rescale slots(total_, weights_.size());
        std::uint64_t weight = 0;
        for (std::size_t k = 0; k < symbol; ++k) weight += weights_[k];
        const std::uint32_t start = slots(symbol, weight);
        return {start, slots(symbol + 1, weight + weights_[symbol]) - start};
    }

    std::size_t locate(std::uint32_t slot, Interval &out) const {
        const Rescale slots(total_, weights_.size());
        std::uint64_t weight = 0;
        std::uint32_t start = 0;
        for (std::size_t k = 0;; ++k) {
            weight += weights_[k];
            const std::uint32_t end = slots(k + 1, weight);
            if (slot < end) {
                out = {start, end - start};
                return k;
            }
            start = end;
        }
    }

    void set(std::size_t i, std::size_t symbol) { symbols_[i] = static_cast<std::int32_t>(symbol); }

private:
    Program program_;
    std::vector<std::uint8_t> state_;
    std::vector<std::uint32_t> weights_;
    std::vector<std::int32_t> symbols_;
    std::uint64_t total_ = 0;
};

}  // namespace

std::vector<std::uint8_t> encode(const Program &program, SymbolView symbols) {
    Run run(program, symbols.size);
    range_coder::Encoder coder;
    for (std::size_t i = 0; i < symbols.size; ++i) {
        std::int64_t symbol;
        symbols.widen(i, 1, &symbol);
        if (static_cast<std::uint64_t>(symbol) >= program.alphabet)
            throw std::invalid_argument("symbol " + std::to_string(symbol) + " at position " + std::to_string(i) +
                                        " is outside the alphabet 0 .. " + std::to_string(program.alphabet - 1));
        run.next(i);
        coder.push(run.interval(static_cast<std::size_t>(symbol)));
        run.set(i, static_cast<std::size_t>(symbol));
    }
    std::vector<std::uint8_t> message(coder.size_bytes());
    coder.write(message.data());
    return message;
}

void decode(const Program &program, std::span<const std::uint8_t> message, MutableSymbolView symbols) {
    Run run(program, symbols.size);
    range_coder::Decoder coder(message);
    for (std::size_t i = 0; i < symbols.size; ++i) {
        run.next(i);
        Interval interval;
        const std::size_t symbol = run.locate(coder.slot(), interval);
        coder.pop(interval);
        const auto value = static_cast<std::int64_t>(symbol);
        symbols.narrow(i, 1, &value);
        run.set(i, symbol);
    }
    coder.finish();
}

}  // namespace laconic::compiled_model
