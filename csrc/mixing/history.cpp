#include "mixing/history.h"

#include <algorithm>

namespace laconic::mixing {

namespace {

// The larger count that can be kept beside a smaller one: long runs are worth telling apart, balanced histories less so.
constexpr int kBound[] = {42, 42, 21, 12, 8, 7, 6};
constexpr int kSmallerMax = 6;

constexpr int bound(int smaller) { return smaller <= kSmallerMax ? kBound[smaller] : 0; }
constexpr bool kept(int n0, int n1) { return std::min(n0, n1) <= kSmallerMax && std::max(n0, n1) <= bound(std::min(n0, n1)); }

// Runs above 4 are kept on a coarser scale.
constexpr int round_down(int n) {
    constexpr int steps[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 21, 26, 31, 36, 42};
    int best = 0;
    for (const int step : steps)
        if (step <= n) best = step;
    return best;
}

constexpr int discount(int n) { return n <= 2 ? n : 2 + (n - 2) / 2; }

struct Builder {
    HistoryTable table{};
    // number[n0][n1][last] + 1
    std::array<std::array<std::array<int, 2>, 43>, 43> number{};

    int find(int n0, int n1, int last) {
        while (!kept(n0, n1)) (n0 > n1 ? n0 : n1) -= 1;
        n0 = round_down(n0), n1 = round_down(n1);
        if (n0 == 0 && n1 == 0) last = 0;
        if (n0 == 0) last = n1 == 0 ? 0 : 1;  // the last bit is no news where only one kind was seen
        if (n1 == 0) last = 0;
        int &slot = number[static_cast<size_t>(n0)][static_cast<size_t>(n1)][static_cast<size_t>(last)];
        if (slot == 0) {
            const auto s = static_cast<size_t>(table.count);
            slot = ++table.count;
            table.n0[s] = static_cast<uint8_t>(n0);
            table.n1[s] = static_cast<uint8_t>(n1);
            table.worth[s] = static_cast<uint8_t>(n0 + n1);
            table.initial[s] =
                static_cast<uint16_t>(n0 == 0 || n1 == 0 ? 65536 * (10 * n1 + 1) / (10 * (n0 + n1) + 2)
                                                         : 65536 * (10 * n1 + 3 + 6 * last) / (10 * (n0 + n1) + 12));
        }
        return slot - 1;
    }
};

HistoryTable build() {
    Builder builder;
    builder.find(0, 0, 0);
    for (int s = 0; s < builder.table.count; ++s) {
        const int n0 = builder.table.n0[static_cast<size_t>(s)], n1 = builder.table.n1[static_cast<size_t>(s)];
        // A count on the coarse scale climbs to its next step, so that runs keep growing.
        const auto up = [](int n) {
            int next = n + 1;
            while (next < 42 && round_down(next) == n) ++next;
            return std::min(next, 42);
        };
        builder.table.next[0][static_cast<size_t>(s)] = static_cast<uint8_t>(builder.find(up(n0), discount(n1), 0));
        builder.table.next[1][static_cast<size_t>(s)] = static_cast<uint8_t>(builder.find(discount(n0), up(n1), 1));
    }
    return builder.table;
}

}  // namespace

const HistoryTable &histories() {
    static const HistoryTable table = build();
    return table;
}

}  // namespace laconic::mixing
