// Blocks of profile B: the table and precision to code with, and the header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "entropy/block_format.h"
#include "entropy/histogram.h"
#include "entropy/rans_b.h"
#include "entropy/segments.h"

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

// Two streams of segments (each with a table of its own), so that both decode in step. The block's size; 0 when it does not fit.
size_t encode_b_segments(const uint8_t *symbols, std::span<const Segment> first, std::span<const Segment> second,
                         unsigned precision, uint8_t *out);
void decode_b_segments(const uint8_t *data, size_t size, unsigned precision, uint8_t *symbols, size_t n);

// Symbols of the first of the two streams.
inline size_t first_stream_symbols(size_t n) { return n / (2 * kSegmentRow) * kSegmentRow; }

// A block with its header read (data begins behind the first byte); rans_b::decode takes the job.
class ParsedB {
public:
    void parse(const uint8_t *data, size_t size, unsigned precision, unsigned lanes, uint8_t *symbols, size_t n);

    rans_b::DecodeJob<uint8_t> job;

private:
    rans_b::DecodeTables tables_;
};

}  // namespace laconic::entropy
