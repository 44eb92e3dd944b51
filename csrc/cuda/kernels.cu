#include <cuda_runtime.h>

#include "cuda/decode_steps.h"
#include "cuda/encode_steps.h"
#include "cuda/kernels.h"

namespace laconic::cuda {
namespace {

template <typename Output>
__global__ void decode_kernel(Blocks blocks, Output output, int32_t *status) {
    __shared__ Scratch scratch;
    const DeviceWarp warp(threadIdx.x);
    const uint32_t k = blockIdx.x;
    const Status result =
        decode_block(warp, blocks.data + blocks.offsets[k], static_cast<size_t>(blocks.offsets[k + 1] - blocks.offsets[k]),
                     output.from(blocks.symbol_offsets[k]),
                     static_cast<size_t>(blocks.symbol_offsets[k + 1] - blocks.symbol_offsets[k]), scratch);
    if (threadIdx.x == 0) status[k] = result;
}

__global__ void encode_kernel(const uint8_t *symbols, size_t n, uint32_t block_symbols, EncodeTable table, uint8_t *out,
                              uint32_t stride, int64_t *sizes) {
    __shared__ Scratch scratch;
    const DeviceWarp warp(threadIdx.x);
    const size_t first = size_t{blockIdx.x} * block_symbols;
    const uint32_t count = n - first < block_symbols ? static_cast<uint32_t>(n - first) : block_symbols;
    const uint32_t size = encode_block_b(warp, symbols + first, count, table, out + size_t{blockIdx.x} * stride, stride, scratch);
    if (threadIdx.x == 0) sizes[blockIdx.x] = size;
}

template <typename Output>
int decode(const Blocks &blocks, const Output &output, int32_t *status, void *stream) {
    if (blocks.count == 0) return cudaSuccess;
    // Tables of 32 blocks a multiprocessor, where that many fit.
    cudaFuncSetAttribute(decode_kernel<Output>, cudaFuncAttributePreferredSharedMemoryCarveout, cudaSharedmemCarveoutMaxShared);
    decode_kernel<<<blocks.count, kWarp, 0, static_cast<cudaStream_t>(stream)>>>(blocks, output, status);
    return cudaGetLastError();
}

}  // namespace

int decode_blocks(const Blocks &blocks, uint8_t *symbols, int32_t *status, void *stream) {
    return decode(blocks, Bytes{symbols}, status, stream);
}

int decode_pairs(const Blocks &blocks, const uint8_t *low, unsigned rotation, uint16_t *elements, int32_t *status, void *stream) {
    return decode(blocks, Pairs{elements, low, rotation}, status, stream);
}

int encode_blocks_b(const uint8_t *symbols, size_t n, uint32_t block_symbols, const void *table, const uint8_t *table_bits,
                    uint32_t table_bit_count, unsigned precision, uint8_t *out, uint32_t stride, int64_t *sizes, void *stream) {
    if (n == 0) return cudaSuccess;
    const unsigned count = static_cast<unsigned>((n - 1) / block_symbols + 1);
    const EncodeTable with{static_cast<const entropy::rans_b::EncodeSymbol *>(table), table_bits, table_bit_count, precision};
    encode_kernel<<<count, kWarp, 0, static_cast<cudaStream_t>(stream)>>>(symbols, n, block_symbols, with, out, stride, sizes);
    return cudaGetLastError();
}

}  // namespace laconic::cuda
