#include "text/wide_model.h"

#include "entropy/cpu.h"
#include "text/wide_model_impl.h"

namespace laconic::text {

#if defined(LACONIC_X86)
namespace {

// `flatten`, as in byte_model.cpp.
[[gnu::target("avx2,bmi,bmi2,lzcnt"), gnu::flatten]] std::vector<uint8_t> encode_avx2(const uint8_t *data, size_t size) {
    return wide::encode_with<wide::Avx2Kernel>(data, size);
}

[[gnu::target("avx2,bmi,bmi2,lzcnt"), gnu::flatten]] void decode_avx2(std::span<const uint8_t> stream, uint8_t *out,
                                                                      size_t size) {
    wide::decode_with<wide::Avx2Kernel>(stream, out, size);
}

}  // namespace
#endif

std::vector<uint8_t> encode_wide(const uint8_t *data, size_t size) {
#if defined(LACONIC_X86)
    if (active_isa() != Isa::scalar) return encode_avx2(data, size);
#endif
    return wide::encode_with<wide::ScalarKernel>(data, size);
}

void decode_wide(std::span<const uint8_t> stream, uint8_t *out, size_t size) {
#if defined(LACONIC_X86)
    if (active_isa() != Isa::scalar) return decode_avx2(stream, out, size);
#endif
    wide::decode_with<wide::ScalarKernel>(stream, out, size);
}

}  // namespace laconic::text
