#include "audio/residual_adaptive.h"

#include <algorithm>
#include <bit>
#include <memory>

#include "audio/cascade.h"
#include "audio/value_model.h"

namespace laconic::audio {
namespace {

// One channel's predictor and coder.
struct Voice {
    explicit Voice(int scale) : cascade(scale) {}
    Cascade cascade;
    ValueModel model;
};

// The power of two that brings the mean size of the values to 256 .. 512.
int scale_of(const int32_t *x, size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; ++i) sum += static_cast<uint64_t>(x[i] < 0 ? -int64_t{x[i]} : int64_t{x[i]});
    return std::clamp(static_cast<int>(std::bit_width(sum / n)) - 9, kMinScale, kMaxScale);
}

// Visits the samples of all channels in the order of time and tells each channel's filters what its partner did: the channel
// before it, whose current value is known; for the first one, the last, whose value before is.
template <class Code>
void run(std::vector<std::unique_ptr<Voice>> &voices, size_t n, Code &&code) {
    const size_t count = voices.size();
    for (size_t i = 0; i < n; ++i) {
        for (size_t c = 0; c < count; ++c) {
            Cascade &cascade = voices[c]->cascade;
            const int32_t value = code(c, i, cascade.predict());
            cascade.update(value);
            if (count > 1) voices[c + 1 < count ? c + 1 : 0]->cascade.see_partner(cascade.scaled(value));
        }
    }
}

}  // namespace

void encode_adaptive(const std::vector<const int32_t *> &channels, size_t n, entropy::ByteWriter &out) {
    std::vector<std::unique_ptr<Voice>> voices;
    for (const int32_t *x : channels) {
        const int scale = scale_of(x, n);
        out.put(static_cast<uint8_t>(scale - kMinScale));
        voices.push_back(std::make_unique<Voice>(scale));
    }
    BinaryEncoder coder;
    run(voices, n, [&](size_t c, size_t i, int32_t prediction) {
        const int32_t value = channels[c][i];
        voices[c]->model.encode(coder, static_cast<int32_t>(static_cast<uint32_t>(value) - static_cast<uint32_t>(prediction)));
        return value;
    });
    out.put_sized(coder.finish());
}

void decode_adaptive(const std::vector<int32_t *> &channels, size_t n, entropy::ByteReader &in) {
    std::vector<std::unique_ptr<Voice>> voices;
    for (size_t c = 0; c < channels.size(); ++c) {
        const uint8_t scale = in.get();
        if (scale > kMaxScale - kMinScale) throw CorruptData("audio: a scale of the filters leaves its range");
        voices.push_back(std::make_unique<Voice>(int{scale} + kMinScale));
    }
    const entropy::ByteReader bits = in.get_sized();
    BinaryDecoder coder(std::span(bits.position(), bits.remaining()));
    run(voices, n, [&](size_t c, size_t i, int32_t prediction) {
        const int32_t error = voices[c]->model.decode(coder);
        return channels[c][i] = static_cast<int32_t>(static_cast<uint32_t>(prediction) + static_cast<uint32_t>(error));
    });
    coder.finish();
}

}  // namespace laconic::audio
