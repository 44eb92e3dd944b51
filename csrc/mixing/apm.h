// Adaptive probability map (secondary symbol estimation): corrects a probability in a small context, by interpolation between 33
// buckets on the logit axis.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mixing/logistic.h"

namespace laconic::mixing {

class ApmMap {
public:
    explicit ApmMap(size_t contexts) : table_(contexts * kBuckets) {
        for (size_t i = 0; i < kBuckets; ++i) table_[i] = static_cast<uint16_t>(squash((static_cast<int>(i) - 16) * 128));
        for (size_t c = 1; c < contexts; ++c)
            std::copy_n(table_.begin(), kBuckets, table_.begin() + static_cast<long>(c * kBuckets));
    }

    // P(1) of 16 bits for `logit` in `context`.
    int refine(int logit, size_t context) {
        const int position = logit + 2048;  // 1 .. 4095
        const int bucket = position >> 7, weight = position & 127;
        low_ = context * kBuckets + static_cast<size_t>(bucket);
        nearer_ = low_ + (weight >= 64 ? 1 : 0);
        const int p = (table_[low_] * (128 - weight) + table_[low_ + 1] * weight) >> 7;
        return p < 1 ? 1 : p;
    }

    void update(int bit, int rate) {
        const int target = bit ? 65535 : 0;
        table_[nearer_] = static_cast<uint16_t>(table_[nearer_] + ((target - table_[nearer_]) >> rate));
    }

private:
    static constexpr size_t kBuckets = 33;
    std::vector<uint16_t> table_;
    size_t low_ = 0, nearer_ = 0;
};

}  // namespace laconic::mixing
