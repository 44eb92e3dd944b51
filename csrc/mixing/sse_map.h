// Adaptive probability map (secondary symbol estimation): corrects a probability in a small context, by interpolation between 25
// points on the logit axis. A context's points share a cache line.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "mixing/large_array.h"
#include "mixing/logit.h"

namespace laconic::mixing {

class SseMap {
public:
    explicit SseMap(size_t contexts) : table_(contexts * kRow) {
        for (size_t i = 0; i < table_.size(); ++i)
            table_[i] = static_cast<uint16_t>(
                probability_of(std::clamp(static_cast<int>(i % kRow * kSpacing) - kSpan, -kLogitBound, kLogitBound)));
    }

    void prefetch(size_t context) const { __builtin_prefetch(&table_[context * kRow]); }

    // P(1) in 1/65536, 0 .. 65535, for `logit` in `context`.
    int refine(int logit, size_t context) {
        const unsigned position = static_cast<unsigned>(logit + kSpan);
        const unsigned point = position / kSpacing, weight = position % kSpacing;
        uint16_t *const low = &table_[context * kRow + point];
        nearer_ = low + weight / (kSpacing / 2);
        return static_cast<int>((low[0] * (kSpacing - weight) + low[1] * weight) / kSpacing);
    }

    void update(int bit, int rate) {
        const int target = -bit & 65535;
        *nearer_ = static_cast<uint16_t>(*nearer_ + ((target - *nearer_) >> rate));
    }

private:
    static constexpr size_t kRow = 32;
    static constexpr unsigned kSpacing = 256;
    static constexpr int kSpan = kLogitBound + 1;
    LargeArray<uint16_t> table_;
    uint16_t *nearer_ = nullptr;
};

}  // namespace laconic::mixing
