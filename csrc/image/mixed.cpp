#include "image/mixed.h"

#include <cfenv>

#include "entropy/cpu.h"
#include "image/mixed_impl.h"

namespace laconic::image {
namespace {

// The default floating-point environment while it lives: others may have asked for another rounding or for no denormals.
class PlainFloats {
public:
    PlainFloats() {
        std::fegetenv(&before_);
        std::fesetenv(FE_DFL_ENV);
    }
    ~PlainFloats() { std::fesetenv(&before_); }
    PlainFloats(const PlainFloats &) = delete;
    PlainFloats &operator=(const PlainFloats &) = delete;

private:
    std::fenv_t before_;
};

#if defined(LACONIC_X86)
// `flatten` inlines the whole model, so that all of it is compiled for this instruction set and none of that code has a name that
// others could link to.
#define LACONIC_AVX2 [[gnu::target("avx2,bmi,bmi2,lzcnt"), gnu::flatten]]
#define LACONIC_AVX512 [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,bmi,bmi2,lzcnt,prefer-vector-width=512"), gnu::flatten]]

LACONIC_AVX2 std::vector<uint8_t> encode_avx2(Picture &picture) { return encode_here(picture); }
LACONIC_AVX2 void decode_avx2(const uint8_t *data, size_t size, Picture &picture) { decode_here(data, size, picture); }
LACONIC_AVX512 std::vector<uint8_t> encode_avx512(Picture &picture) { return encode_here(picture); }
LACONIC_AVX512 void decode_avx512(const uint8_t *data, size_t size, Picture &picture) { decode_here(data, size, picture); }
#endif

}  // namespace

std::vector<uint8_t> encode_mixed(const Picture &picture) {
    const PlainFloats plain;
    Picture copy = picture;
#if defined(LACONIC_X86)
    if (active_isa() == Isa::avx512) return encode_avx512(copy);
    if (active_isa() == Isa::avx2) return encode_avx2(copy);
#endif
    return encode_here(copy);
}

void decode_mixed(entropy::ByteReader &in, Picture &picture) {
    const PlainFloats plain;
    const uint8_t *const data = in.position();
    const size_t size = in.remaining();
#if defined(LACONIC_X86)
    if (active_isa() == Isa::avx512) return decode_avx512(data, size, picture);
    if (active_isa() == Isa::avx2) return decode_avx2(data, size, picture);
#endif
    decode_here(data, size, picture);
}

}  // namespace laconic::image
