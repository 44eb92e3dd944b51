#include "text/byte_model.h"

#include "text/primed_coder.h"

namespace laconic::text {

std::unique_ptr<ByteCoder> make_mixed_coder(std::span<const uint8_t> primer, Content content) {
    return std::make_unique<PrimedCoder<mixed::ByteModel>>(primer, content);
}

}  // namespace laconic::text
