#include <cuda_runtime.h>

#include "cuda/block_steps.h"
#include "cuda/kernels.h"

namespace laconic::cuda {
namespace {

__global__ void decode_kernel(Blocks blocks, uint8_t *symbols, int32_t *status) {
    extern __shared__ __align__(16) unsigned char shared[];
    Scratch &scratch = *reinterpret_cast<Scratch *>(shared);
    const DeviceWarp warp{threadIdx.x};
    const uint32_t k = blockIdx.x;
    const Status result =
        decode_block(warp, blocks.data + blocks.offsets[k], static_cast<size_t>(blocks.offsets[k + 1] - blocks.offsets[k]),
                     symbols + blocks.symbol_offsets[k],
                     static_cast<size_t>(blocks.symbol_offsets[k + 1] - blocks.symbol_offsets[k]), scratch);
    if (threadIdx.x == 0) status[k] = result;
}

__global__ void encode_kernel(const uint8_t *symbols, size_t n, size_t block_symbols, EncodeTable table, uint8_t *out,
                              size_t stride, int64_t *sizes) {
    extern __shared__ __align__(16) unsigned char shared[];
    Scratch &scratch = *reinterpret_cast<Scratch *>(shared);
    const DeviceWarp warp{threadIdx.x};
    const size_t first = blockIdx.x * block_symbols;
    const size_t count = n - first < block_symbols ? n - first : block_symbols;
    const size_t size = encode_block_b(warp, symbols + first, count, table, out + blockIdx.x * stride, stride, scratch);
    if (threadIdx.x == 0) sizes[blockIdx.x] = static_cast<int64_t>(size);
}

}  // namespace

int decode_blocks(const Blocks &blocks, uint8_t *symbols, int32_t *status, void *stream) {
    if (blocks.count == 0) return cudaSuccess;
    decode_kernel<<<blocks.count, kWarp, sizeof(Scratch), static_cast<cudaStream_t>(stream)>>>(blocks, symbols, status);
    return cudaGetLastError();
}

int encode_blocks_b(const uint8_t *symbols, size_t n, size_t block_symbols, const void *table, const uint8_t *table_bits,
                    uint32_t table_bit_count, unsigned precision, uint8_t *out, size_t stride, int64_t *sizes, void *stream) {
    if (n == 0) return cudaSuccess;
    const unsigned count = static_cast<unsigned>((n - 1) / block_symbols + 1);
    const EncodeTable with{static_cast<const entropy::rans_b::EncodeSymbol *>(table), table_bits, table_bit_count, precision};
    encode_kernel<<<count, kWarp, sizeof(Scratch), static_cast<cudaStream_t>(stream)>>>(symbols, n, block_symbols, with, out,
                                                                                        stride, sizes);
    return cudaGetLastError();
}

}  // namespace laconic::cuda
