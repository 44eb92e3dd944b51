// The device's kernels stepped on the host, lane by lane, for tests where no device is present.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace laconic::cuda {

// As entropy::decode_block; CorruptData for damaged blocks, false for forms that the device does not decode.
bool decode_block_stepped(const uint8_t *data, size_t size, uint8_t *symbols, size_t n);

// The same into elements of 16 bits: symbol i on top of low[i], rotated to the right by `rotation` (below 16) bits.
bool decode_pairs_stepped(const uint8_t *data, size_t size, const uint8_t *low, unsigned rotation, uint16_t *elements, size_t n);

// A block with the table that fits all of the symbols, at the precision given (10 to 12).
std::vector<uint8_t> encode_block_stepped(const uint8_t *symbols, size_t n, unsigned precision);

}  // namespace laconic::cuda
