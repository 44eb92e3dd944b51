#include "checkpoint/fields.h"

#include "entropy/block.h"
#include "entropy/error.h"
#include "float/planes.h"
#include "float/token_coder.h"

namespace laconic::checkpoint {

namespace {

constexpr size_t kPlanes = 4;
constexpr floats::ElementFormat kFp32{kPlanes, 1, false};  // the exponent fills the first plane

}  // namespace

size_t fields_bound(size_t n) {
    return floats::token_bound(n) + (kPlanes - 1) * (floats::kSizeBytes + n + 1) + entropy::block_bound(n);
}

size_t encode_fields(const uint8_t *actual, const uint8_t *contexts, size_t n, uint8_t *out) {
    if (n == 0) return 0;
    floats::Scratch memory(kPlanes * n + floats::token_scratch(n));
    uint8_t *const planes = memory.take(kPlanes * n);
    floats::split_planes(actual, nullptr, n, kFp32, planes);
    uint8_t *p = floats::encode_tokens(planes, contexts, n, memory, out);
    for (size_t k = 1; k < kPlanes; ++k) {
        const size_t size = entropy::encode_block(planes + k * n, n, p + floats::kSizeBytes);
        floats::put_size(p, size);
        p += floats::kSizeBytes + size;
    }
    return static_cast<size_t>(p - out);
}

void decode_fields(const uint8_t *data, size_t size, const uint8_t *contexts, size_t n, uint8_t *out) {
    floats::BlockWalk walk(data, size);
    if (n != 0) {
        floats::Scratch memory(kPlanes * n + floats::token_scratch(n));
        uint8_t *const planes = memory.take(kPlanes * n);
        floats::decode_tokens(walk, contexts, n, memory, planes);
        const uint8_t *plane[floats::kMaxWidth] = {planes};
        for (size_t k = 1; k < kPlanes; ++k) {
            const auto [block, block_size] = walk.next();
            plane[k] = entropy::raw_symbols(block, block_size, n);  // noise is joined from where it lies
            if (plane[k] != nullptr) continue;
            entropy::decode_block(block, block_size, planes + k * n, n);
            plane[k] = planes + k * n;
        }
        floats::join_planes(plane, nullptr, n, kFp32, out);
    }
    if (walk.remaining() != 0) throw CorruptData("the payload is longer than its elements");
}

}  // namespace laconic::checkpoint
