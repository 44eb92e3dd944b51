#include "image/fast_kernels_impl.h"

namespace laconic::image {

const RowKernels<uint8_t> kRowAvx512_8 = kRows<uint8_t>;
const RowKernels<uint16_t> kRowAvx512_16 = kRows<uint16_t>;
const ContextKernels kContextAvx512 = kContextRows;

}  // namespace laconic::image
