#include "image/fast_kernels_impl.h"

namespace laconic::image {

const RowKernels<uint8_t> kRowAvx2_8 = kRows<uint8_t>;
const RowKernels<uint16_t> kRowAvx2_16 = kRows<uint16_t>;
const ContextKernels kContextAvx2 = kContextRows;

}  // namespace laconic::image
