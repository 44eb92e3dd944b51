#include "audio/frame.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "audio/channels.h"
#include "audio/lpc_stream.h"
#include "entropy/byte_io.h"

namespace laconic::audio {
namespace {

constexpr size_t kProbe = 8192;  // samples tried with each number of channels where that is not known
constexpr size_t kProbedChannels = 8;

Residuals residuals_of(Method method) { return method == Method::lpc ? Residuals::rans : Residuals::adaptive; }

// The models of adaptive coding take memory for each channel, which short frames of many channels would not earn.
constexpr size_t kAnyLengthChannels = 8, kManyChannelsLength = 4096;
bool can_adapt(size_t channels, size_t n) { return channels <= kAnyLengthChannels || n >= kManyChannelsLength; }

std::vector<int32_t *> coded_planes(const std::vector<Channel> &channels, Planes &planes) {
    std::vector<int32_t *> coded;
    for (size_t c = 0; c < channels.size(); ++c)
        if (channels[c].is_coded()) coded.push_back(planes[c]);
    return coded;
}

std::vector<uint8_t> encode_with(const uint8_t *raw, size_t size, const SampleFormat &format, size_t channels,
                                 const FloatScale &scale, Method method) {
    const size_t n = size / (format.width * channels);
    if (!can_adapt(channels, n)) method = Method::lpc;
    entropy::ByteWriter out;
    out.put(static_cast<uint8_t>(method));
    out.put_varint(channels);
    if (n > 0) {
        if (format.kind == SampleKind::floating) {
            out.put_varint(scale.shift);
            if (scale.shift == 0) out.put_varint(scale.divisor);
        }
        Planes planes(channels, n);
        split_channels(raw, format, scale, planes);
        const std::vector<Channel> simple = simplify_channels(planes, out);
        const std::vector<int32_t *> coded = coded_planes(simple, planes);
        if (!coded.empty()) encode_lpc(coded, n, residuals_of(method), out);
    }
    const size_t done = n * format.width * channels;
    out.put_bytes(raw + done, size - done);
    return out.take();
}

// The number of channels for which a part from the middle codes best.
size_t guess_channels(const uint8_t *raw, size_t size, const SampleFormat &format, const FloatScale &scale) {
    const size_t samples = size / format.width, part = std::min(samples, kProbe);
    const uint8_t *const middle = raw + (samples - part) / 2 * format.width;
    size_t best = 1, best_size = SIZE_MAX;
    for (size_t channels = 1; channels <= std::min(kProbedChannels, std::max<size_t>(samples, 1)); ++channels) {
        const size_t coded = encode_with(middle, part * format.width, format, channels, scale, Method::lpc).size();
        if (coded < best_size) best = channels, best_size = coded;
    }
    return best;
}

}  // namespace

std::vector<uint8_t> encode_frame(const uint8_t *raw, size_t size, const SampleFormat &format, Method method) {
    format.check();
    FloatScale scale;
    if (format.kind == SampleKind::floating) {
        const auto found = find_float_scale(raw, size / format.width, format);
        if (!found) return {};
        scale = *found;
    }
    const size_t channels = format.channels != 0 ? format.channels : guess_channels(raw, size, format, scale);
    return encode_with(raw, size, format, channels, scale, method);
}

void decode_frame(const uint8_t *payload, size_t payload_size, const SampleFormat &format, uint8_t *raw, size_t size) {
    format.check();
    entropy::ByteReader in(payload, payload_size);
    const auto method = static_cast<Method>(in.get());
    if (method != Method::lpc && method != Method::cascade) throw CorruptData("audio: no such method");
    const size_t channels = in.get_varint();
    if (channels == 0 || channels > kMaxChannels || (format.channels != 0 && channels != format.channels))
        throw CorruptData("audio: a frame has another number of channels");
    const size_t n = size / (format.width * channels);
    if (method == Method::cascade && !can_adapt(channels, n)) throw CorruptData("audio: too many channels for so few samples");
    if (n > 0) {
        FloatScale scale;
        if (format.kind == SampleKind::floating) {
            scale.shift = in.get_varint();
            const size_t divisor = scale.shift == 0 ? in.get_varint() : 1;
            if (scale.shift > kMaxShift || divisor == 0 || divisor > kMaxDivisor)
                throw CorruptData("audio: the scale of floats leaves its range");
            scale.divisor = static_cast<uint32_t>(divisor);
        }
        const std::vector<Channel> simple = read_channels(channels, n, in);
        Planes planes(channels, n);
        const std::vector<int32_t *> coded = coded_planes(simple, planes);
        if (!coded.empty()) decode_lpc(coded, n, residuals_of(method), in);
        restore_channels(simple, planes);
        join_channels(planes, format, scale, raw);
    }
    const size_t done = n * format.width * channels, rest = size - done;
    if (in.remaining() != rest) throw CorruptData("audio: the payload is longer or shorter than its samples");
    std::memcpy(raw + done, in.position(), rest);
}

FrameReport inspect_frame(const uint8_t *payload, size_t payload_size) {
    entropy::ByteReader in(payload, payload_size);
    const auto method = static_cast<Method>(in.get());
    return {method, in.get_varint()};
}

}  // namespace laconic::audio
