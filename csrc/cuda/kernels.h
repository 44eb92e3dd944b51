// Launches: many blocks at once, one warp each. Nothing here waits for the device.
#pragma once

#include <cstddef>
#include <cstdint>

namespace laconic::cuda {

// Blocks on the device: block k is data[offsets[k], offsets[k + 1]) and holds symbols[symbol_offsets[k], symbol_offsets[k + 1]).
struct Blocks {
    const uint8_t *data;
    const int64_t *offsets;
    const int64_t *symbol_offsets;
    uint32_t count;
};

// Decodes into symbols; status[k] becomes a Status (header.h). All pointers are of the device. Returns a cudaError_t.
int decode_blocks(const Blocks &blocks, uint8_t *symbols, int32_t *status, void *stream);

// The same into elements of 16 bits: symbol i on top of low[i], rotated to the right by `rotation` (below 16) bits.
int decode_pairs(const Blocks &blocks, const uint8_t *low, unsigned rotation, uint16_t *elements, int32_t *status, void *stream);

// Encodes blocks of block_symbols symbols (2^24 at most) with one table into out, `stride` bytes apart (stride >= block_symbols +
// 1), and their sizes into sizes. table: 256 EncodeSymbols; table_bits: its compact form. Returns a cudaError_t.
int encode_blocks_b(const uint8_t *symbols, size_t n, uint32_t block_symbols, const void *table, const uint8_t *table_bits,
                    uint32_t table_bit_count, unsigned precision, uint8_t *out, uint32_t stride, int64_t *sizes, void *stream);

}  // namespace laconic::cuda
