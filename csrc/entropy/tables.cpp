#include "entropy/tables.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "entropy/log2_fixed.h"

namespace laconic::entropy {
namespace {

// One possible step of a frequency by one, worth `value` (gain of a step up, loss of a step down).
struct Step {
    uint64_t value;
    uint32_t symbol;
};

// The frequencies' sum is `excess` too small (up) or too large (down): step where it is worth most, or costs least.
void correct_sum(std::span<const uint32_t> counts, std::span<uint16_t> freqs, uint32_t excess, bool up) {
    const Log2Fixed log2_fixed;
    const auto value_of = [&](uint32_t s) -> uint64_t {
        const uint32_t f = freqs[s];
        const uint64_t difference = up ? log2_fixed(f + 1) - log2_fixed(f) : log2_fixed(f) - log2_fixed(f - 1);
        return counts[s] * difference;
    };
    // The heap's top is the step to take next.
    const auto worse = [&](const Step &a, const Step &b) {
        if (a.value != b.value) return up ? a.value < b.value : a.value > b.value;
        return a.symbol > b.symbol;
    };
    std::vector<Step> heap;
    heap.reserve(freqs.size());
    for (uint32_t s = 0; s < freqs.size(); ++s)
        if (up ? freqs[s] >= 1 : freqs[s] >= 2) heap.push_back({value_of(s), s});
    std::make_heap(heap.begin(), heap.end(), worse);
    for (; excess > 0; --excess) {
        std::pop_heap(heap.begin(), heap.end(), worse);
        const uint32_t s = heap.back().symbol;
        freqs[s] = static_cast<uint16_t>(up ? freqs[s] + 1 : freqs[s] - 1);
        if (!up && freqs[s] == 1) {
            heap.pop_back();
        } else {
            heap.back().value = value_of(s);
            std::push_heap(heap.begin(), heap.end(), worse);
        }
    }
}

// Codes of one step in the compact form: the difference of bit lengths zigzagged, with a run of absent symbols in rank 3.
constexpr unsigned kRunRank = 3;

constexpr unsigned rank_of(int difference) {
    const unsigned zigzag = difference >= 0 ? static_cast<unsigned>(2 * difference) : static_cast<unsigned>(-2 * difference - 1);
    return zigzag < kRunRank ? zigzag : zigzag + 1;
}

constexpr int difference_of(unsigned rank) {
    const unsigned zigzag = rank < kRunRank ? rank : rank - 1;
    return zigzag % 2 == 0 ? static_cast<int>(zigzag / 2) : -static_cast<int>((zigzag + 1) / 2);
}

constexpr unsigned first_length(unsigned precision) { return precision / 2; }

}  // namespace

void normalise(std::span<const uint32_t> counts, unsigned precision, std::span<uint16_t> freqs) {
    const uint64_t total = std::accumulate(counts.begin(), counts.end(), uint64_t{0});
    uint32_t sum = 0;
    for (size_t s = 0; s < counts.size(); ++s) {
        const uint64_t share = (static_cast<uint64_t>(counts[s]) << precision) / total;
        freqs[s] = static_cast<uint16_t>(counts[s] == 0 ? 0 : std::max<uint64_t>(share, 1));
        sum += freqs[s];
    }
    const uint32_t target = 1u << precision;
    if (sum != target) correct_sum(counts, freqs, sum < target ? target - sum : sum - target, sum < target);
}

uint64_t coded_size(std::span<const uint32_t> counts, std::span<const uint16_t> freqs, unsigned precision) {
    const Log2Fixed log2_fixed;
    uint64_t size = 0;
    for (size_t s = 0; s < counts.size(); ++s)
        if (counts[s] != 0) size += counts[s] * static_cast<uint64_t>((precision << kLogBits) - log2_fixed(freqs[s]));
    return size;
}

void write_table(BitWriter &out, std::span<const uint16_t> freqs, unsigned precision) {
    uint32_t left = 1u << precision;
    int length = static_cast<int>(first_length(precision));
    for (size_t s = 0; left > 0; ++s) {
        if (freqs[s] == 0) {
            const size_t first = s;
            while (freqs[s + 1] == 0) ++s;
            out.put_unary(kRunRank);
            out.put_gamma(static_cast<uint32_t>(s - first + 1));
            continue;
        }
        const uint32_t f = freqs[s];
        const int next = std::bit_width(f);
        out.put_unary(rank_of(next - length));
        out.put(f & ((1u << (next - 1)) - 1), static_cast<unsigned>(next - 1));
        length = next;
        left -= f;
    }
}

void read_table(BitReader &in, std::span<uint16_t> freqs, unsigned precision) {
    std::fill(freqs.begin(), freqs.end(), uint16_t{0});
    uint32_t left = 1u << precision;
    int length = static_cast<int>(first_length(precision));
    size_t s = 0;
    while (left > 0) {
        const unsigned rank = in.get_unary(2 * (precision + 1) + 1);
        if (rank == kRunRank) {
            const uint32_t run = in.get_gamma();
            if (run >= freqs.size() - s) throw CorruptData("entropy block: table passes the alphabet");
            s += run;
            continue;
        }
        length += difference_of(rank);
        if (s == freqs.size() || length < 1) throw CorruptData("entropy block: table passes the alphabet");
        const unsigned extra = static_cast<unsigned>(length - 1);
        const uint32_t f = extra > precision ? left + 1 : (1u << extra) | in.get(extra);
        if (f > left) throw CorruptData("entropy block: frequencies pass their sum");
        freqs[s++] = static_cast<uint16_t>(f);
        left -= f;
    }
}

}  // namespace laconic::entropy
