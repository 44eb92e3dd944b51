// Blocks of profile B: the table and precision to code with, and the header.
#pragma once

#include <cstddef>
#include <cstdint>

#include "entropy/block_format.h"
#include "entropy/histogram.h"
#include "entropy/rans_b.h"

namespace laconic::entropy {

struct PlanB {
    unsigned precision;
    unsigned lanes;
    Freqs freqs;
    size_t size;  // estimated
};

PlanB plan_b(const ByteCounts &counts, size_t n, int precision);

// The block's size; 0 when it does not fit.
size_t encode_b(const uint8_t *symbols, size_t n, const PlanB &plan, uint8_t *out);

// A block with its header read (data begins behind the first byte); rans_b::decode takes the job.
class ParsedB {
public:
    void parse(const uint8_t *data, size_t size, unsigned precision, unsigned lanes, uint8_t *symbols, size_t n);

    rans_b::DecodeJob<uint8_t> job;

private:
    rans_b::DecodeTables tables_;
};

}  // namespace laconic::entropy
