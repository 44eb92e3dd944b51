#include "entropy/categorical.h"

#include <algorithm>
#include <type_traits>

#include "entropy/categorical_kernel.h"
#include "entropy/cpu.h"
#include "entropy/error.h"

namespace laconic {

namespace {

[[noreturn]] void outside(std::int64_t symbol, std::size_t i, std::size_t alphabet) {
    throw std::invalid_argument("symbol " + std::to_string(symbol) + " at position " + std::to_string(i) +
                                " is outside the alphabet 0 .. " + std::to_string(alphabet - 1));
}

void check_symbol(std::int64_t symbol, std::size_t i, std::size_t alphabet) {
    if (static_cast<std::uint64_t>(symbol) >= alphabet) outside(symbol, i, alphabet);
}

[[noreturn]] void impossible(std::int64_t symbol, std::size_t i) {
    throw std::invalid_argument("symbol " + std::to_string(symbol) + " at position " + std::to_string(i) +
                                " has zero probability");
}

[[noreturn]] void bad_row(const char *what, std::size_t row) {
    throw std::invalid_argument("row " + std::to_string(row) + " of the model " + what);
}

template <class Float>
const RowKernels<Float> &row_kernels() {
#if defined(LACONIC_X86)
    switch (active_isa()) {
        case Isa::avx512:
            return row_kernels_avx512<Float>();
        case Isa::avx2:
            return row_kernels_avx2<Float>();
        case Isa::scalar:
            break;
    }
#endif
    return row_kernels_scalar<Float>();
}

// Rows are read some at a time before symbols are looked for in them: where one is depends on nothing but its own row, and so the
// processor need not wait for memory between two searches.
constexpr std::size_t kRowsAtATime = 4;

// Rows of probabilities, as the weights before each block of 16.
template <class Float>
class ProbabilityRows {
public:
    explicit ProbabilityRows(std::size_t alphabet)
        : alphabet_(alphabet), room_((blocks_of(alphabet) + kBlockGroup - 1) / kBlockGroup * kBlockGroup + 1) {
        if (room_ > kLittleRoom) {
            much_.resize(room_);
            before_ = much_.data();
        }
    }
    ProbabilityRows(const ProbabilityRows &) = delete;
    ProbabilityRows &operator=(const ProbabilityRows &) = delete;

    std::size_t capacity() const { return room_ > kLittleRoom ? 1 : kRowsAtATime; }

    void read(std::size_t k, const Float *row, std::size_t position) {
        std::uint32_t *const before = before_ + k * room_;
        const bool good = kernels_.sum(row, alphabet_, before);
        const std::uint32_t sum = before[blocks_of(alphabet_)];
        if (!good || !sums_to_one(sum, alphabet_)) bad_probabilities(row, position);
        rows_[k] = row;
        slots_[k] = Rescale(sum, alphabet_);
    }

    Interval interval(std::size_t k, std::size_t symbol) const {
        return kernels_.interval(rows_[k], before_ + k * room_, slots_[k], symbol);
    }
    std::size_t locate(std::size_t k, std::uint32_t slot, Interval &out) const {
        return kernels_.locate(rows_[k], before_ + k * room_, slots_[k], slot, out);
    }

private:
    [[noreturn]] void bad_probabilities(const Float *row, std::size_t position) const {
        for (std::size_t i = 0; i < alphabet_; ++i)
            if (!(row[i] >= 0 && row[i] <= static_cast<Float>(kMaxProbability)))
                bad_row("holds a number that is no probability", position);
        bad_row("does not sum to 1", position);
    }

    static constexpr std::size_t kLittleRoom = 4 * kBlockGroup + 1;

    const RowKernels<Float> &kernels_ = row_kernels<Float>();
    std::size_t alphabet_;
    std::size_t room_;  // of a row in before_
    const Float *rows_[kRowsAtATime];
    Rescale slots_[kRowsAtATime];
    std::uint32_t little_[kRowsAtATime * kLittleRoom];
    std::vector<std::uint32_t> much_;
    std::uint32_t *before_ = little_;
};

// Rows of CDFs.
template <class Int>
class CdfRows {
public:
    CdfRows(std::size_t alphabet, int bits) : alphabet_(alphabet), bits_(bits), shift_(kProbBits - bits) {}

    std::size_t capacity() const { return kRowsAtATime; }

    void read(std::size_t k, const Int *row, std::size_t position) {
        if (row[0] != 0 || static_cast<Int>(row[alphabet_]) != static_cast<Int>(std::uint64_t{1} << bits_))
            bad_row("is no CDF from 0 to 2^bits", position);
        rows_[k] = row;
        positions_[k] = position;
    }

    Interval interval(std::size_t k, std::size_t symbol) const {
        const std::uint64_t start = at(k, symbol), end = at(k, symbol + 1);
        if (end < start || end > kTotal) bad_row("falls somewhere", positions_[k]);
        return {static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(end - start)};
    }

    std::size_t locate(std::size_t k, std::uint32_t slot, Interval &out) const {
        std::size_t low = 0, count = alphabet_;  // the symbol is in [low, low + count)
        while (count > 1) {
            const std::size_t half = count / 2;
            low += at(k, low + half) <= slot ? half : 0;
            count -= half;
        }
        out = interval(k, low);
        if (slot < out.start || slot - out.start >= out.freq) bad_row("falls somewhere", positions_[k]);
        return low;
    }

private:
    std::uint64_t at(std::size_t k, std::size_t i) const {
        return i == alphabet_ ? kTotal : std::uint64_t{rows_[k][i]} << shift_;
    }

    std::size_t alphabet_;
    int bits_;
    int shift_;
    const Int *rows_[kRowsAtATime];
    std::size_t positions_[kRowsAtATime];
};

template <class Element, class Rows>
auto rows_reader(const Rows &rows) {
    if constexpr (std::is_floating_point_v<Element>)
        return ProbabilityRows<Element>(rows.alphabet);
    else
        return CdfRows<Element>(rows.alphabet, rows.bits);
}

}  // namespace

template <class Float>
const RowKernels<Float> &row_kernels_scalar() {
    static constexpr RowKernels<Float> set{sum<Float>, interval<Float>, locate<Float>};
    return set;
}

CategoricalModel::CategoricalModel(std::vector<std::uint32_t> cdf)
    : cdf_(std::move(cdf)), guide_((std::size_t{1} << kGuideBits) + 1) {
    if (cdf_.size() < 2 || cdf_.size() > kMaxAlphabet + 1) throw std::invalid_argument("a CDF has 2 to 2^20 + 1 entries");
    if (cdf_.front() != 0 || cdf_.back() != kTotal) throw std::invalid_argument("a CDF goes from 0 to 2^24");
    if (!std::is_sorted(cdf_.begin(), cdf_.end())) throw std::invalid_argument("a CDF never falls");
    std::uint32_t symbol = 0;
    for (std::size_t k = 0; k < guide_.size(); ++k) {
        const std::uint64_t slot = std::min<std::uint64_t>(k << (kProbBits - kGuideBits), kTotal - 1);
        while (cdf_[symbol + 1] <= slot) ++symbol;
        guide_[k] = symbol;
    }
}

bool CategoricalModel::intervals(std::size_t first, std::size_t n, const std::int64_t *symbols, Interval *out) const {
    for (std::size_t j = 0; j < n; ++j) {
        check_symbol(symbols[j], first + j, cdf_.size() - 1);
        const std::uint32_t start = cdf_[static_cast<std::size_t>(symbols[j])];
        out[j] = {start, cdf_[static_cast<std::size_t>(symbols[j]) + 1] - start};
        if (out[j].freq == 0) impossible(symbols[j], first + j);
    }
    return false;
}

bool CategoricalModel::locate(std::size_t, std::size_t n, const std::uint32_t *slots, std::int64_t *symbols,
                              Interval *out) const {
    for (std::size_t j = 0; j < n; ++j) {
        const std::uint32_t slot = slots[j];
        std::size_t low = guide_[slot >> (kProbBits - kGuideBits)];
        std::size_t count = guide_[(slot >> (kProbBits - kGuideBits)) + 1] - low + 1;
        while (count > 1) {  // the last symbol that starts at or below the slot
            const std::size_t half = count / 2;
            low += cdf_[low + half] <= slot ? half : 0;
            count -= half;
        }
        symbols[j] = static_cast<std::int64_t>(low);
        out[j] = {cdf_[low], cdf_[low + 1] - cdf_[low]};
    }
    return false;
}

std::vector<std::uint32_t> cdf_of_probabilities(std::span<const double> row) {
    if (row.empty() || row.size() > kMaxAlphabet) throw std::invalid_argument("an alphabet has 1 to 2^20 symbols");
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (!(row[i] >= 0 && row[i] <= kMaxProbability))
            throw std::invalid_argument("probability " + std::to_string(i) + " is negative, above 1 or not a number");
        total += weight_of(row[i]);
    }
    if (!sums_to_one(total, row.size())) throw std::invalid_argument("the probabilities do not sum to 1");
    const Rescale slots(total, row.size());
    std::vector<std::uint32_t> cdf;
    cdf.reserve(row.size() + 1);
    std::uint64_t weight = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
        cdf.push_back(slots(i, weight));
        weight += weight_of(row[i]);
    }
    cdf.push_back(kTotal);
    return cdf;
}

namespace {

// Rows lie in memory one after another and are used once: ask for one a few rows before its turn.
template <class Element>
void prefetch_row(const Element *row, std::size_t elements) {
    const auto *bytes = reinterpret_cast<const char *>(row);
    for (std::size_t k = 0; k < std::min<std::size_t>(elements * sizeof(Element), 1024); k += 64) __builtin_prefetch(bytes + k);
}

}  // namespace

// Calls use(k, j) for each j < n, with row number k of the reader being that of symbol first + j.
template <class Element>
template <class Reader, class Use>
void CategoricalRowsModel<Element>::with_rows(Reader &reader, std::size_t first, std::size_t n, Use &&use) const {
    constexpr std::size_t kAhead = 4;
    // Probabilities in a row are read from end to end, which processors foresee better than they obey.
    const bool ask = !std::is_floating_point_v<Element> || index_ != nullptr;
    const std::size_t width = rows_.alphabet + (std::is_floating_point_v<Element> ? 0 : 1);
    for (std::size_t begin = 0; begin < n; begin += reader.capacity()) {
        const std::size_t count = std::min(reader.capacity(), n - begin);
        for (std::size_t k = 0; k < count; ++k) {
            const std::size_t i = first + begin + k;
            if (ask && i + kAhead < size_) prefetch_row(rows_.data + row_of(i + kAhead) * width, width);
            reader.read(k, rows_.data + row_of(i) * width, row_of(i));
        }
        for (std::size_t k = 0; k < count; ++k) use(k, begin + k);
    }
}

template <class Element>
bool CategoricalRowsModel<Element>::intervals(std::size_t first, std::size_t n, const std::int64_t *symbols,
                                              Interval *out) const {
    auto reader = rows_reader<Element>(rows_);
    for (std::size_t j = 0; j < n; ++j) check_symbol(symbols[j], first + j, rows_.alphabet);
    with_rows(reader, first, n, [&](std::size_t k, std::size_t j) {
        out[j] = reader.interval(k, static_cast<std::size_t>(symbols[j]));
        if (out[j].freq == 0) impossible(symbols[j], first + j);
    });
    return false;
}

template <class Element>
bool CategoricalRowsModel<Element>::locate(std::size_t first, std::size_t n, const std::uint32_t *slots, std::int64_t *symbols,
                                           Interval *out) const {
    auto reader = rows_reader<Element>(rows_);
    with_rows(reader, first, n,
              [&](std::size_t k, std::size_t j) { symbols[j] = static_cast<std::int64_t>(reader.locate(k, slots[j], out[j])); });
    return false;
}

template class CategoricalRowsModel<float>;
template class CategoricalRowsModel<double>;
template class CategoricalRowsModel<std::uint16_t>;
template class CategoricalRowsModel<std::uint32_t>;

bool UniformModel::intervals(std::size_t first, std::size_t n, const std::int64_t *symbols, Interval *out) const {
    for (std::size_t j = 0; j < n; ++j) {
        check_symbol(symbols[j], first + j, n_);
        const auto symbol = static_cast<std::uint64_t>(symbols[j]);
        out[j] = {start(symbol), start(symbol + 1) - start(symbol)};
    }
    return false;
}

bool UniformModel::locate(std::size_t, std::size_t n, const std::uint32_t *slots, std::int64_t *symbols, Interval *out) const {
    for (std::size_t j = 0; j < n; ++j) {  // the last symbol with symbol 2^24 / n < slot + 1
        const std::uint64_t symbol = ((std::uint64_t{slots[j]} + 1) * n_ - 1) >> kProbBits;
        symbols[j] = static_cast<std::int64_t>(symbol);
        out[j] = {start(symbol), start(symbol + 1) - start(symbol)};
    }
    return false;
}

bool BernoulliModel::intervals(std::size_t first, std::size_t n, const std::int64_t *symbols, Interval *out) const {
    for (std::size_t j = 0; j < n; ++j) {
        check_symbol(symbols[j], first + j, 2);
        const std::uint32_t one = p1(first + j) << (kProbBits - 16);
        out[j] = symbols[j] != 0 ? Interval{0, one} : Interval{one, kTotal - one};
    }
    return false;
}

bool BernoulliModel::locate(std::size_t first, std::size_t n, const std::uint32_t *slots, std::int64_t *symbols,
                            Interval *out) const {
    for (std::size_t j = 0; j < n; ++j) {
        const std::uint32_t one = p1(first + j) << (kProbBits - 16);
        symbols[j] = slots[j] < one;
        out[j] = slots[j] < one ? Interval{0, one} : Interval{one, kTotal - one};
    }
    return false;
}

}  // namespace laconic
