// Raw interleaved PCM to planes of 32-bit integers and back: the first step of the audio codec. codecs/audio/FORMAT.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace laconic::audio {

enum class SampleKind : uint8_t { signed_integer = 0, unsigned_integer = 1, floating = 2 };

constexpr size_t kMaxChannels = 65535;

struct SampleFormat {
    unsigned width = 2;  // bytes: 1 to 4; floats 4 or 8
    SampleKind kind = SampleKind::signed_integer;
    bool big_endian = false;
    size_t channels = 0;  // 0: not known

    // std::invalid_argument if the codec has no such format.
    void check() const;
};

// Planes of equal length, one for each channel.
class Planes {
public:
    Planes(size_t channels, size_t length) : length_(length), channels_(channels), data_(channels * length) {}

    int32_t *operator[](size_t channel) { return data_.data() + channel * length_; }
    const int32_t *operator[](size_t channel) const { return data_.data() + channel * length_; }
    size_t channels() const { return channels_; }
    size_t length() const { return length_; }

private:
    size_t length_, channels_;
    std::vector<int32_t> data_;
};

// How floats stand for integers: value = integer * 2^(kShiftBias - shift), or, if shift is 0, integer / divisor in one correctly
// rounded division (16-bit samples that were normalised by their peak, say).
struct FloatScale {
    size_t shift = 0;
    uint32_t divisor = 1;
};
constexpr int kShiftBias = 1100;
constexpr size_t kMaxShift = 2200;
constexpr uint32_t kMaxDivisor = 1u << 30;

// The scale of the floats raw[0, count), or nothing if they are no such integers (of 31 bits): a fraction too fine, minus zero,
// infinity, not-a-number.
std::optional<FloatScale> find_float_scale(const uint8_t *raw, size_t count, const SampleFormat &format);

// `scale` matters for floats only. raw holds planes.channels() * planes.length() samples.
void split_channels(const uint8_t *raw, const SampleFormat &format, const FloatScale &scale, Planes &planes);
void join_channels(const Planes &planes, const SampleFormat &format, const FloatScale &scale, uint8_t *raw);

}  // namespace laconic::audio
