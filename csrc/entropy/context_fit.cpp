#include "entropy/context_fit.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "entropy/contexts.h"
#include "entropy/log2_fixed.h"
#include "entropy/tables.h"

namespace laconic::entropy {
namespace {

// Stored cost of a table: about so many bits for itself and for each live symbol (measured on exponents, text and residuals).
constexpr uint64_t kTableBits = 16, kTableBitsPerSymbol = 7;

struct LiveCount {
    uint32_t symbol, count;
};

struct Context {
    uint32_t index;
    uint64_t total, members;  // symbols, contexts
    std::vector<LiveCount> live;
};

// c * log2(c): a distribution's coded size is weight(total) minus the sum of weight(count) over its symbols.
// Small counts, which are most, are looked up.
class Weights {
public:
    Weights() : small_(kSmall) {
        for (uint32_t c = 1; c < kSmall; ++c) small_[c] = exact(c);
    }
    int64_t operator()(uint64_t c) const { return c < kSmall ? small_[c] : exact(c); }

private:
    static constexpr uint32_t kSmall = 2048;
    int64_t exact(uint64_t c) const { return static_cast<int64_t>(c * log2_fixed_(static_cast<uint32_t>(c))); }

    Log2Fixed log2_fixed_;
    std::vector<int64_t> small_;
};

const Weights &weights() {
    static const Weights weights;
    return weights;
}

int64_t table_cost(const Context &context) {
    return static_cast<int64_t>((kTableBits + kTableBitsPerSymbol * context.live.size()) << kLogBits);
}

struct Cluster {
    uint64_t total = 0, members = 0;  // symbols, contexts
    std::vector<uint32_t> counts;
    std::vector<int64_t> weight_of;  // weight(counts[s])

    explicit Cluster(size_t alphabet) : counts(alphabet), weight_of(alphabet) {}

    void add(const Context &context) {
        const Weights &weight = weights();
        total += context.total;
        members += context.members;
        for (const auto &[symbol, count] : context.live) {
            counts[symbol] += count;
            weight_of[symbol] = weight(counts[symbol]);
        }
    }

    // Bits that coding both with one table costs over coding each with its own.
    int64_t cost_of_joining(const Context &context) const {
        const Weights &weight = weights();
        int64_t cost = weight(total + context.total) - weight(total) - weight(context.total);
        for (const auto &[symbol, count] : context.live)
            cost -= weight(uint64_t{counts[symbol]} + count) - weight_of[symbol] - weight(count);
        return cost;
    }

    // Bits that the map from contexts to tables loses when these members are named alike.
    int64_t map_gain_of_joining(const Context &context) const {
        const Weights &weight = weights();
        return weight(members + context.members) - weight(members) - weight(context.members);
    }

    // As if it were one context.
    Context as_context() const {
        Context context{0, total, members, {}};
        for (uint32_t s = 0; s < counts.size(); ++s)
            if (counts[s] != 0) context.live.push_back({s, counts[s]});
        return context;
    }
};

struct Choice {
    size_t cluster;
    int64_t cost;
};

// Where joining costs least beyond what it gains otherwise; ties go to the first.
Choice cheapest(const std::vector<Cluster> &clusters, const Context &context, auto &&gain, size_t except = SIZE_MAX) {
    Choice best{0, INT64_MAX};
    for (size_t k = 0; k < clusters.size(); ++k) {
        if (k == except || clusters[k].total == 0) continue;
        const int64_t cost = clusters[k].cost_of_joining(context) - gain(clusters[k]);
        if (cost < best.cost) best = {k, cost};
    }
    return best;
}

std::vector<Context> live_contexts(const std::vector<uint32_t> &counts, size_t alphabet) {
    std::vector<Context> contexts;
    for (size_t c = 0; c < counts.size() / alphabet; ++c) {
        Context context{static_cast<uint32_t>(c), 0, 1, {}};
        for (uint32_t s = 0; s < alphabet; ++s)
            if (const uint32_t count = counts[c * alphabet + s]; count != 0) {
                context.live.push_back({s, count});
                context.total += count;
            }
        if (context.total != 0) contexts.push_back(std::move(context));
    }
    std::stable_sort(contexts.begin(), contexts.end(), [](const Context &a, const Context &b) { return a.total > b.total; });
    return contexts;
}

}  // namespace

// After JPEG XL's encoder (J. Alakuijala et al., "JPEG XL next-generation image compression architecture and coding tools",
// 2019): open tables greedily, from the most frequent context down, and sooner than one context alone would pay for; assign every
// context again, now that all tables are known; join tables that do not pay.
FittedTables fit_tables(const std::vector<uint32_t> &counts, size_t alphabet, unsigned precision) {
    const std::vector<Context> contexts = live_contexts(counts, alphabet);
    const auto no_gain = [](const Cluster &) { return int64_t{0}; };
    std::vector<Cluster> clusters;
    for (const Context &context : contexts) {
        Choice choice = cheapest(clusters, context, no_gain);
        if (choice.cost > table_cost(context) / 4 && clusters.size() < kMaxFittedTables) {
            choice.cluster = clusters.size();
            clusters.emplace_back(alphabet);
        }
        clusters[choice.cluster].add(context);
    }

    std::vector<uint16_t> cluster_of(contexts.size());
    for (unsigned pass = 0; pass < 2 && clusters.size() > 1; ++pass) {
        std::vector<Cluster> next(clusters.size(), Cluster(alphabet));
        for (size_t i = 0; i < contexts.size(); ++i) {
            cluster_of[i] = static_cast<uint16_t>(cheapest(clusters, contexts[i], no_gain).cluster);
            next[cluster_of[i]].add(contexts[i]);
        }
        clusters = std::move(next);
    }

    std::vector<size_t> joined_to(clusters.size());
    std::iota(joined_to.begin(), joined_to.end(), size_t{0});
    for (size_t k = clusters.size(); k-- > 0;) {
        if (clusters[k].total == 0) continue;
        const Context whole = clusters[k].as_context();
        const auto map_gain = [&](const Cluster &cluster) { return cluster.map_gain_of_joining(whole); };
        const Choice choice = cheapest(clusters, whole, map_gain, k);
        if (choice.cost >= table_cost(whole)) continue;
        clusters[choice.cluster].add(whole);
        clusters[k] = Cluster(alphabet);
        joined_to[k] = choice.cluster;
    }

    // Tables are numbered as their first contexts appear.
    FittedTables fitted{0, std::vector<uint8_t>(counts.size() / alphabet), {}};
    std::vector<size_t> number(clusters.size(), SIZE_MAX);
    for (size_t i = 0; i < contexts.size(); ++i) {
        size_t k = cluster_of[i];
        while (joined_to[k] != k) k = joined_to[k];
        if (number[k] == SIZE_MAX) {
            number[k] = fitted.count++;
            fitted.freqs.resize(fitted.count * alphabet);
            normalise(clusters[k].counts, precision, std::span(fitted.freqs).last(alphabet));
        }
        fitted.table_of[contexts[i].index] = static_cast<uint8_t>(number[k]);
    }
    return fitted;
}

}  // namespace laconic::entropy
