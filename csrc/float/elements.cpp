#include "float/elements.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>

#include "entropy/error.h"
#include "entropy/histogram.h"
#include "float/joint_frame.h"
#include "float/mixed.h"
#include "float/palette.h"
#include "float/sparse.h"

namespace laconic::floats {

namespace {

constexpr size_t kSmall = 64;  // bytes of a payload that is not worth a second look
constexpr size_t kSampleRuns = 64, kSampleLength = 64, kSampleSize = kSampleRuns * kSampleLength;
constexpr size_t kRareAt = 16;          // a value dominates from one element in so many
constexpr size_t kMostDistinct = 2600;  // of kSampleSize: what some 4,000 values that are as frequent as each other would show

// What a sample says of values that repeat.
struct Values {
    uint64_t frequent = 0;  // in host order
    size_t times = 0;       // that it occurs
    size_t distinct = 0;
    size_t size = 0;  // of the sample

    Values(const uint8_t *raw, size_t n, size_t width) {
        if (width == 1) {
            count(raw, n);
            return;
        }
        uint64_t sample[kSampleSize];
        const size_t runs = n <= kSampleSize ? 1 : kSampleRuns, length = runs == 1 ? n : kSampleLength;
        for (size_t run = 0; run < runs; ++run) {
            const uint8_t *from = raw + (runs == 1 ? 0 : run * ((n - length) / (runs - 1))) * width;
            for (size_t i = 0; i < length; ++i, from += width) {
                sample[size] = 0;
                std::memcpy(&sample[size++], from, width);
            }
        }
        count(sample);
    }

private:
    // By a table of places, half of which stay free. Of values that are as frequent the least one counts.
    void count(const uint64_t *sample) {
        constexpr unsigned kPlaceBits = 13;
        static_assert(size_t{1} << kPlaceBits == 2 * kSampleSize);
        uint64_t values[1 << kPlaceBits];
        uint16_t counts[1 << kPlaceBits] = {};
        for (size_t i = 0; i < size; ++i) {
            size_t place = sample[i] * 0x9E3779B97F4A7C15 >> (64 - kPlaceBits);
            while (counts[place] != 0 && values[place] != sample[i]) place = (place + 1) % (1 << kPlaceBits);
            values[place] = sample[i];
            distinct += counts[place] == 0;
            const size_t now = ++counts[place];
            if (now > times || (now == times && sample[i] < frequent)) times = now, frequent = sample[i];
        }
    }

    void count(const uint8_t *raw, size_t n) {
        entropy::ByteCounts counts;
        size = entropy::count_bytes_sampled(raw, n, counts);
        if (size == 0) entropy::count_bytes(raw, size = n, counts);
        const auto most = std::max_element(counts.begin(), counts.end());
        frequent = static_cast<uint64_t>(most - counts.begin());
        if constexpr (std::endian::native != std::endian::little) frequent <<= 56;
        times = *most;
    }
};

uint8_t *put_method(ElementMethod method, uint8_t *out) {
    *out = static_cast<uint8_t>(method);
    return out + 1;
}

}  // namespace

size_t elements_bound(size_t raw_size, const ElementFormat &format) { return 1 + joint_frame_bound(raw_size, format); }

size_t encode_elements(const uint8_t *raw, size_t raw_size, const ElementFormat &format, Effort effort, uint8_t *out,
                       bool inner) {
    const bool prefer_speed = effort == Effort::fast;
    const size_t n = raw_size / format.width;
    const JointFrame joint = encode_joint_frame(raw, raw_size, format, prefer_speed, put_method(ElementMethod::joint, out));
    size_t best = 1 + joint.size;
    if (best <= kSmall) return best;
    std::unique_ptr<uint8_t[]> other;
    const auto attempt = [&](ElementMethod method, size_t bound, auto &&encode) {
        other.reset(new uint8_t[1 + bound]);
        const size_t size = encode(best - 1, put_method(method, other.get()));
        if (size == 0) return;
        best = 1 + size;
        std::copy_n(other.get(), best, out);
    };
    if (!joint.noise) {
        const Values values(raw, n, format.width);
        if (!inner && values.times * kRareAt >= values.size)
            attempt(ElementMethod::sparse, sparse_bound(raw_size, format), [&](size_t limit, uint8_t *p) {
                uint8_t value[kMaxWidth];
                std::memcpy(value, &values.frequent, format.width);
                return encode_sparse(raw, raw_size, format, value, prefer_speed, limit, p);
            });
        if (format.width > 1 && values.distinct * kSampleSize <= values.size * kMostDistinct)
            attempt(ElementMethod::palette, palette_bound(raw_size, format),
                    [&](size_t limit, uint8_t *p) { return encode_palette(raw, raw_size, format, prefer_speed, limit, p); });
    }
    if (effort == Effort::mixing && !inner && can_mix(format))
        attempt(ElementMethod::mixed, mixed_bound(raw_size, format),
                [&](size_t limit, uint8_t *p) { return encode_mixed(raw, raw_size, format, joint.noise, limit, p); });
    return best;
}

void decode_elements(const uint8_t *data, size_t size, const ElementFormat &format, uint8_t *raw, size_t raw_size, bool inner,
                     Delivery *delivery) {
    if (size == 0) throw CorruptData("an empty payload");
    switch (static_cast<ElementMethod>(data[0])) {
        case ElementMethod::joint:
            return decode_joint_frame(data + 1, size - 1, format, raw, raw_size, delivery);
        case ElementMethod::sparse:
            if (inner) break;
            return decode_sparse(data + 1, size - 1, format, raw, raw_size);
        case ElementMethod::palette:
            return decode_palette(data + 1, size - 1, format, raw, raw_size);
        case ElementMethod::mixed:
            if (inner) break;
            return decode_mixed(data + 1, size - 1, format, raw, raw_size);
    }
    throw CorruptData("no such method of elements");
}

ElementsReport inspect_elements(const uint8_t *data, size_t size, const ElementFormat &format, size_t raw_size) {
    if (size == 0) throw CorruptData("an empty payload");
    ElementsReport report;
    switch (static_cast<ElementMethod>(data[0])) {
        case ElementMethod::joint: {
            PlaneReport planes[kMaxWidth];
            const size_t count = inspect_joint_frame(data + 1, size - 1, format, raw_size, planes);
            report.method = "joint";
            for (size_t k = 0; k < count; ++k) report.parts.push_back({planes[k].form, planes[k].bytes});
            return report;
        }
        case ElementMethod::sparse: {
            const SparseReport sparse = inspect_sparse(data + 1, size - 1, format, raw_size);
            if (sparse.inner_raw_size != 0)
                report = inspect_elements(sparse.inner, sparse.inner_size, format, sparse.inner_raw_size);
            report.method = report.method.empty() ? "sparse" : "sparse " + report.method;
            report.parts.insert(report.parts.begin(), {sparse.form, sparse.bytes});
            return report;
        }
        case ElementMethod::palette: {
            const PaletteReport palette = inspect_palette(data + 1, size - 1);
            report.method = "palette of " + std::to_string(palette.values);
            report.parts.push_back({"values", palette.values_bytes});
            for (size_t k = 0; k < palette.planes; ++k) report.parts.push_back({palette.forms[k], palette.bytes[k]});
            return report;
        }
        case ElementMethod::mixed:
            return {"mixed", {{"D", size - 1}}};
    }
    throw CorruptData("no such method of elements");
}

}  // namespace laconic::floats
