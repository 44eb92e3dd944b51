// The payload of a frame of the audio codec: raw PCM bytes to bytes and back. codecs/audio/FORMAT.md specifies every byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "audio/samples.h"

namespace laconic::audio {

enum class Method : uint8_t {
    lpc = 1,      // forward-adaptive prediction, rANS
    cascade = 2,  // adaptive filters, binary coding
};

// The payload, or an empty vector if the samples are floats that are no integers times a power of two. Where the format does not
// say how many channels there are, the number that codes best is used.
std::vector<uint8_t> encode_frame(const uint8_t *raw, size_t size, const SampleFormat &format, Method method);

// Fills raw[0, size); CorruptData unless the payload is exactly one of that size.
void decode_frame(const uint8_t *payload, size_t payload_size, const SampleFormat &format, uint8_t *raw, size_t size);

struct FrameReport {
    Method method;
    size_t channels;
};
FrameReport inspect_frame(const uint8_t *payload, size_t payload_size);

}  // namespace laconic::audio
