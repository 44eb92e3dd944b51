#include "entropy/segments.h"

#include <algorithm>
#include <array>

#include "entropy/log2_fixed.h"

namespace laconic::entropy {
namespace {

constexpr size_t kGranule = size_t{1} << 14;      // symbols that are counted together
constexpr size_t kFineGranule = size_t{1} << 12;  // without sampling
constexpr uint64_t kTableBits = 480;              // what a cut must save: a table, its length, and the noise of the estimate
constexpr size_t kProbe = 32;                     // symbols of a row that decide where between two granules a cut lies

// Symbols of a granule of n.
size_t run_length(size_t n, bool sampled) {
    const size_t granule = sampled ? kGranule : kFineGranule, count = std::max<size_t>(1, (n + granule / 2) / granule);
    return (n / count + kSegmentRow - 1) / kSegmentRow * kSegmentRow;
}

// Size of coding counted symbols with a table of their own, in bits scaled up from the sample to the whole.
class Sizes {
public:
    Sizes(const std::vector<Segment> &parts) {
        ByteCounts all{};
        for (const Segment &part : parts)
            for (unsigned s = 0; s < 256; ++s) all[s] |= part.counts[s];
        while (first_ < 255 && all[first_] == 0) ++first_;
        last_ = 256;
        while (last_ > first_ + 1 && all[last_ - 1] == 0) --last_;
    }

    uint64_t bits(const ByteCounts &counts, size_t counted, size_t n) const {
        if (counted == 0) return 0;
        uint64_t sum = counted * static_cast<uint64_t>(log2_(static_cast<uint32_t>(counted)));
        for (unsigned s = first_; s < last_; ++s)
            if (counts[s] > 1) sum -= counts[s] * static_cast<uint64_t>(log2_(counts[s]));
        return (sum >> kLogBits) * n / counted;
    }

    uint64_t bits_together(const Segment &a, const Segment &b) const {
        ByteCounts counts;
        for (unsigned s = first_; s < last_; ++s) counts[s] = a.counts[s] + b.counts[s];
        return bits(counts, a.counted + b.counted, a.n + b.n);
    }

    // Bits that a symbol costs more under a's table than under b's, in 2^-16 bit.
    void difference(const Segment &a, const Segment &b, std::array<int32_t, 256> &more) const {
        const auto cost = [&](const Segment &part, unsigned s) {
            return static_cast<int32_t>((log2_(static_cast<uint32_t>(part.counted + 256)) - log2_(part.counts[s] + 1)) >> 8);
        };
        for (unsigned s = 0; s < 256; ++s) more[s] = cost(a, s) - cost(b, s);
    }

private:
    Log2Fixed log2_;
    unsigned first_ = 0, last_;
};

void add(Segment &to, const Segment &part) {
    for (unsigned s = 0; s < 256; ++s) to.counts[s] += part.counts[s];
    to.n += part.n;
    to.counted += part.counted;
}

// Rows before the cut between a, which begins at symbols[0], and b: where the two tables together cost least, at most `reach`
// rows from where the granules met.
size_t best_cut(const Sizes &sizes, const uint8_t *symbols, const Segment &a, const Segment &b, size_t reach) {
    std::array<int32_t, 256> more;
    sizes.difference(a, b, more);
    const size_t met = a.n / kSegmentRow, all = (a.n + b.n) / kSegmentRow;
    const size_t from = met > reach ? met - reach : 1, to = std::min(met + reach, all - 1);
    int64_t sum = 0, least = 0;
    size_t best = from;
    for (size_t row = from; row < to; ++row) {
        const uint8_t *p = symbols + row * kSegmentRow;
        for (size_t i = 0; i < kProbe; ++i) sum += more[p[i * (kSegmentRow / kProbe)]];
        if (sum < least) {
            least = sum;
            best = row + 1;
        }
    }
    return best;
}

// The counts of a and b, which met at one place, for a cut at another.
void move_counts(const uint8_t *symbols, size_t met, size_t cut, Segment &a, Segment &b) {
    ByteCounts moved;
    Segment &to = cut > met ? a : b, &from = cut > met ? b : a;
    const size_t first = std::min(met, cut), n = std::max(met, cut) - first;
    count_bytes(symbols + first, n, moved);
    for (unsigned s = 0; s < 256; ++s) {
        to.counts[s] += moved[s];
        from.counts[s] -= moved[s];
    }
    to.counted += n;
    from.counted -= n;
}

}  // namespace

Granules::Granules(const uint8_t *symbols, size_t n, bool sampled)
    : symbols_(symbols), n_(n), run_(run_length(n, sampled)), sampled_(sampled) {
    runs_.reserve(n / run_ + 1);
    for (size_t first = 0; first < n; first += run_) {
        Segment part{std::min(run_, n - first), {}, 0};
        if (sampled && part.n >= 4096) {
            part.counted = count_bytes_sampled(symbols + first, part.n, part.counts);
        } else {
            count_bytes(symbols + first, part.n, part.counts);
            part.counted = part.n;
        }
        runs_.push_back(part);
    }
}

Granules Granules::part(size_t first, size_t n) const {
    const bool ends = first + n == n_ || n % run_ == 0;
    if (first % run_ != 0 || !ends || run_length(n, sampled_) != run_) return Granules(symbols_ + first, n, sampled_);
    Granules found;
    found.symbols_ = symbols_ + first;
    found.n_ = n;
    found.run_ = run_;
    found.sampled_ = sampled_;
    const auto begin = runs_.begin() + static_cast<ptrdiff_t>(first / run_);
    found.runs_.assign(begin, begin + static_cast<ptrdiff_t>((n + run_ - 1) / run_));
    return found;
}

std::vector<Segment> Granules::segments() const {
    const Sizes sizes(runs_);
    std::vector<Segment> segments;
    uint64_t bits = 0;  // of the last segment
    for (const Segment &part : runs_) {
        const uint64_t alone = sizes.bits(part.counts, part.counted, part.n);
        if (!segments.empty()) {
            const uint64_t together = sizes.bits_together(segments.back(), part);
            if (together <= bits + alone + kTableBits) {
                add(segments.back(), part);
                bits = together;
                continue;
            }
        }
        segments.push_back(part);
        bits = alone;
    }
    std::vector<size_t> met(segments.size());  // where each began before the cuts moved
    for (size_t k = 1; k < segments.size(); ++k) met[k] = met[k - 1] + segments[k - 1].n;
    std::vector<size_t> begin = met;
    for (size_t k = 0; k + 1 < segments.size(); ++k) {
        Segment &a = segments[k], &b = segments[k + 1];
        const size_t rows = best_cut(sizes, symbols_ + begin[k], a, b, run_ / kSegmentRow);
        const size_t moved = rows * kSegmentRow;
        b.n = a.n + b.n - moved;
        a.n = moved;
        begin[k + 1] = begin[k] + moved;
    }
    if (sampled_) return segments;
    for (size_t k = 1; k < segments.size(); ++k) move_counts(symbols_, met[k], begin[k], segments[k - 1], segments[k]);
    for (Segment &segment : segments) segment.exact = true;
    return segments;
}

}  // namespace laconic::entropy
