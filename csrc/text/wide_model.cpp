#include "text/wide_model.h"

#include "text/primed_coder.h"

namespace laconic::text {

std::unique_ptr<ByteCoder> make_wide_coder(std::span<const uint8_t> primer, Content content) {
    return std::make_unique<PrimedCoder<wide::WideModel>>(primer, content);
}

}  // namespace laconic::text
