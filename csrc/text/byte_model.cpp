#include "text/byte_model.h"

#include "entropy/cpu.h"
#include "text/byte_model_impl.h"

namespace laconic::text {

#if defined(LACONIC_X86)
namespace {

// `flatten` inlines the whole model, so that all of it is compiled for AVX2 and no AVX2 code has a name that others could link
// to.
[[gnu::target("avx2,bmi,bmi2,lzcnt"), gnu::flatten]] std::vector<uint8_t> encode_avx2(const uint8_t *data, size_t size) {
    return encode_with<Avx2Kernel>(data, size);
}

[[gnu::target("avx2,bmi,bmi2,lzcnt"), gnu::flatten]] void decode_avx2(std::span<const uint8_t> stream, uint8_t *out,
                                                                      size_t size) {
    decode_with<Avx2Kernel>(stream, out, size);
}

}  // namespace
#endif

std::vector<uint8_t> encode_mixed(const uint8_t *data, size_t size) {
#if defined(LACONIC_X86)
    if (active_isa() != Isa::scalar) return encode_avx2(data, size);
#endif
    return encode_with<ScalarKernel>(data, size);
}

void decode_mixed(std::span<const uint8_t> stream, uint8_t *out, size_t size) {
#if defined(LACONIC_X86)
    if (active_isa() != Isa::scalar) return decode_avx2(stream, out, size);
#endif
    decode_with<ScalarKernel>(stream, out, size);
}

}  // namespace laconic::text
