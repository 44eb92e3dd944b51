// Models over the alphabet 0 .. K-1 given by numbers: one distribution, one for each symbol, equal or two-valued.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "entropy/model.h"

namespace laconic {

// Weights to slots, in integers: with W_i the sum of the weights before symbol i of K,
//     C(i) = i + floor(W_i floor(2^32 (2^24 - K) / W_K) / 2^32),   C(K) = 2^24
// rises by at least one slot a symbol, whatever the weights. 0 < W_K < 2^32.
class Rescale {
public:
    Rescale() = default;
    Rescale(std::uint64_t total, std::size_t alphabet)
        : factor_(((std::uint64_t{kTotal} - alphabet) << 32) / total), alphabet_(alphabet) {}
    std::uint32_t operator()(std::size_t i, std::uint64_t weight_before) const {
        return i == alphabet_ ? kTotal : static_cast<std::uint32_t>(i + (weight_before * factor_ >> 32));
    }

    std::uint64_t factor() const { return factor_; }
    std::size_t alphabet() const { return alphabet_; }

private:
    std::uint64_t factor_ = 0;
    std::size_t alphabet_ = 0;
};

// Probabilities to weights: floor(2^27 p). 2^27 leaves room to sum sixteen in 32 bits; scaling by a power of two and truncation
// are exact.
inline constexpr int kRowWeightBits = 27;
inline constexpr double kRowWeightOne = 1 << kRowWeightBits;
inline constexpr double kMaxProbability = 1.0 + 1.0 / 1024;  // rounding errors of who made the row are forgiven
inline constexpr std::size_t kMaxAlphabet = std::size_t{1} << 20;
inline constexpr std::uint32_t kMaxRowWeight = (1u << kRowWeightBits) + (1u << (kRowWeightBits - 10));
inline bool sums_to_one(std::uint64_t weight, std::size_t alphabet) {
    constexpr std::uint64_t one = std::uint64_t{1} << kRowWeightBits;
    return weight + alphabet + (one >> 10) >= one && weight <= kMaxRowWeight;
}

// A row of probabilities is worked on in blocks of 16 symbols. One set of functions for each instruction set; `before[b]` is the
// weight before block b.
inline constexpr std::size_t kBlock = 16;
inline constexpr std::size_t kBlockGroup = 16;  // blocks that a kernel may write at a time
template <class Float>
struct RowKernels {
    // before[0 .. blocks], with room for whole groups of blocks after before[0]. False if a probability is negative, above
    // kMaxProbability or not a number, or if they sum to more than that.
    bool (*sum)(const Float *row, std::size_t alphabet, std::uint32_t *before);
    // The slots of `symbol` in such a row.
    Interval (*interval)(const Float *row, const std::uint32_t *before, Rescale slots, std::size_t symbol);
    // The symbol that has `slot`, and its slots.
    std::size_t (*locate)(const Float *row, const std::uint32_t *before, Rescale slots, std::uint32_t slot, Interval &out);
};
template <class Float>
const RowKernels<Float> &row_kernels_scalar();
#if defined(LACONIC_X86)
template <class Float>
const RowKernels<Float> &row_kernels_avx2();
template <class Float>
const RowKernels<Float> &row_kernels_avx512();
#endif

// One distribution for all symbols: a CDF of alphabet + 1 entries from 0 to 2^24; equal neighbours are symbols that can't occur.
class CategoricalModel : public Model {
public:
    explicit CategoricalModel(std::vector<std::uint32_t> cdf);

    bool intervals(std::size_t first, std::size_t n, const std::int64_t *symbols, Interval *out) const override;
    bool locate(std::size_t first, std::size_t n, const std::uint32_t *slots, std::int64_t *symbols,
                Interval *out) const override;

private:
    static constexpr int kGuideBits = 12;

    std::vector<std::uint32_t> cdf_;
    std::vector<std::uint32_t> guide_;  // the symbol of the first of each 2^12 slots
};

// The CDF of one row of probabilities; std::invalid_argument if they are not such.
std::vector<std::uint32_t> cdf_of_probabilities(std::span<const double> row);

// Rows of probabilities (float or double, alphabet entries) or of CDFs (uint16 or uint32, alphabet + 1 entries from 0 to 2^bits;
// in uint16 the last entry, 65536, is written 0). Symbol i uses row i, or row index[i]. Rows are read where they lie, and checked
// when they are used.
template <class Element>
class CategoricalRowsModel : public Model {
public:
    struct Rows {
        const Element *data;
        std::size_t rows;
        std::size_t alphabet;
        int bits;  // of CDFs
    };
    CategoricalRowsModel(Rows rows, const std::int64_t *index, std::size_t size) : rows_(rows), index_(index), size_(size) {}

    std::size_t size() const override { return size_; }
    bool intervals(std::size_t first, std::size_t n, const std::int64_t *symbols, Interval *out) const override;
    bool locate(std::size_t first, std::size_t n, const std::uint32_t *slots, std::int64_t *symbols,
                Interval *out) const override;

private:
    template <class Reader, class Use>
    void with_rows(Reader &reader, std::size_t first, std::size_t n, Use &&use) const;
    std::size_t row_of(std::size_t i) const { return index_ == nullptr ? i : static_cast<std::size_t>(index_[i]); }

    Rows rows_;
    const std::int64_t *index_;
    std::size_t size_;
};

// n equally probable symbols, n <= 2^24.
class UniformModel : public Model {
public:
    explicit UniformModel(std::uint32_t n) : n_(n) {}

    bool intervals(std::size_t first, std::size_t n, const std::int64_t *symbols, Interval *out) const override;
    bool locate(std::size_t first, std::size_t n, const std::uint32_t *slots, std::int64_t *symbols,
                Interval *out) const override;

private:
    std::uint32_t start(std::uint64_t symbol) const { return static_cast<std::uint32_t>((symbol << kProbBits) / n_); }

    std::uint32_t n_;
};

// Symbols 0 and 1; p1[i] = P(1) in 1/65536, 1 .. 65535, or one p1 for all (size kAnyNumber).
class BernoulliModel : public Model {
public:
    BernoulliModel(const std::uint16_t *p1, std::size_t size) : p1_(p1), size_(size) {}

    std::size_t size() const override { return size_; }
    std::uint32_t p1(std::size_t i) const { return p1_[size_ == kAnyNumber ? 0 : i]; }
    bool intervals(std::size_t first, std::size_t n, const std::int64_t *symbols, Interval *out) const override;
    bool locate(std::size_t first, std::size_t n, const std::uint32_t *slots, std::int64_t *symbols,
                Interval *out) const override;

private:
    const std::uint16_t *p1_;
    std::size_t size_;
};

}  // namespace laconic
