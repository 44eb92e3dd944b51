#include "audio/cascade_stream.h"

#include "audio/lpc_stream.h"

namespace laconic::audio {

void encode_cascade(const std::vector<int32_t *> &channels, size_t n, ByteWriter &out) { encode_lpc(channels, n, out); }
void decode_cascade(const std::vector<int32_t *> &channels, size_t n, ByteReader &in) { decode_lpc(channels, n, in); }

}  // namespace laconic::audio
