// What is simple about whole channels, taken out before prediction: constants, channels equal to others, low bits that are always
// zero, values that never occur.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "audio/samples.h"
#include "entropy/byte_io.h"

namespace laconic::audio {

enum class ChannelKind : uint8_t { coded = 0, constant = 1, copy = 2, shifted = 3, mapped = 4 };

struct Channel {
    ChannelKind kind = ChannelKind::coded;
    int32_t value = 0;         // constant
    size_t source = 0;         // copy: an earlier channel
    unsigned wasted = 0;       // shifted: zero bits below
    std::vector<int32_t> map;  // mapped: the values that occur, ascending
    int32_t origin = 0;        // mapped: a sample is the rank of its value minus this

    bool is_coded() const { return kind != ChannelKind::constant && kind != ChannelKind::copy; }
};

// Simplifies the planes of coded channels in place; writes what restore needs.
std::vector<Channel> simplify_channels(Planes &planes, entropy::ByteWriter &out);

std::vector<Channel> read_channels(size_t channels, size_t length, entropy::ByteReader &in);
void restore_channels(const std::vector<Channel> &channels, Planes &planes);

}  // namespace laconic::audio
