// A segment - keys or values of some tokens of one layer - coded exactly: methods 1 and 2 of codecs/kv/FORMAT.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "entropy/byte_io.h"

namespace laconic::kv {

// Raw bytes of a segment are rows (tokens) of `channels` little-endian floats: fp8 (width 1), bf16 or fp16 (2), fp32 (4).
struct SegmentFormat {
    unsigned width = 2;
    size_t channels = 1;

    size_t row_bytes() const { return width * channels; }
    void check() const;  // std::invalid_argument unless width is 1, 2 or 4 and channels 1 to 2^16
};

constexpr uint8_t kChannels = 1, kRepeatedRows = 2;  // methods: a payload's first byte

// groups: as in fit_channels. Empty where there is no whole row.
std::vector<uint8_t> encode_lossless(const uint8_t *raw, size_t raw_size, const SegmentFormat &format, size_t groups);

// Fills raw[0, raw_size); CorruptData unless data[0, size) is exactly what encode_lossless could have written.
void decode_lossless(const uint8_t *data, size_t size, const SegmentFormat &format, uint8_t *raw, size_t raw_size);

}  // namespace laconic::kv
