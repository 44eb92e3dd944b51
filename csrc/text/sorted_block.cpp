#include "text/sorted_block.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>

#include "entropy/error.h"
#include "text/bwt.h"
#include "text/bwt_coder.h"
#include "text/capitals.h"
#include "text/huge_array.h"
#include "text/repeats.h"

namespace laconic::text {

namespace {

// Text and source code hold chance repeats of unlike neighbours, and without them the rest sorts better: from 32 bytes on that is
// 0.1 % of enwik8, 2 % of Python sources, 5 % of a list of URLs. Where most of a block repeats, repeats are its structure, which
// the transform codes better than copies would; then, and in binary data, only very long ones pay (xml 0.6 %, nci 1.8 %).
constexpr size_t kShortRepeat = 32, kLongRepeat = 250;

// Always set: streams without it are of an earlier coder of runs, before there was a release.
constexpr uint8_t kInParts = 4;
constexpr uint8_t kMarked = 1, kWithoutRepeats = 2;

struct Kind {
    bool text;   // hardly any control characters
    bool prose;  // mostly letters and spaces; then marks of capitals save 0.1 % (enwik8) to 1.2 % (alice29), elsewhere they cost
};

Kind kind_of(std::span<const uint8_t> bytes) {
    std::array<size_t, 256> counts{};
    for (const uint8_t byte : bytes) ++counts[byte];
    const auto sum = [&](int first, int last) { return std::accumulate(&counts[first], &counts[last] + 1, size_t{0}); };
    const size_t letters = sum('A', 'Z') + sum('a', 'z'), size = bytes.size();
    const bool marks_are_free = counts[kCapital] == 0 && counts[kCapitals] == 0;
    return {sum(0, 8) < size / 1024 + 1, marks_are_free && letters > size / 20 * 13 && counts[' '] > size / 10};
}

struct Form {
    uint8_t shortest;
    std::vector<uint8_t> bytes;
};

std::optional<Form> without_repeats(std::span<const uint8_t> bytes, bool text) {
    if (text) {
        Form form{kShortRepeat, remove_repeats(bytes, kShortRepeat)};
        if (form.bytes.size() >= bytes.size()) return {};
        if (form.bytes.size() > bytes.size() / 10 * 6) return form;
    }
    Form form{kLongRepeat, remove_repeats(bytes, kLongRepeat)};
    if (form.bytes.size() >= bytes.size() || form.bytes.size() < bytes.size() / 2) return {};
    return form;
}

void encode_transform(std::span<const uint8_t> bytes, std::vector<uint8_t> &stream) {
    HugeArray<uint8_t> transform(bytes.size());
    for (const uint32_t row : forward_bwt(bytes, transform.data()))
        for (int shift = 0; shift < 24; shift += 8) stream.push_back(static_cast<uint8_t>(row >> shift));
    const std::vector<uint8_t> runs = encode_runs(transform.span());
    stream.insert(stream.end(), runs.begin(), runs.end());
}

void decode_transform(std::span<const uint8_t> stream, std::span<uint8_t> bytes) {
    std::vector<uint32_t> rows(bwt_rows(bytes.size()));
    if (stream.size() < 3 * rows.size()) throw CorruptData("a sorted block ends before its transform");
    for (size_t k = 0; k < rows.size(); ++k)
        rows[k] = stream[3 * k] | static_cast<uint32_t>(stream[3 * k + 1]) << 8 | static_cast<uint32_t>(stream[3 * k + 2]) << 16;
    HugeArray<uint8_t> transform(bytes.size());
    decode_runs(stream.subspan(3 * rows.size()), transform.span());
    inverse_bwt(transform.span(), rows, bytes.data());
}

void put_size(std::vector<uint8_t> &stream, size_t size) {
    for (; size >= 128; size >>= 7) stream.push_back(static_cast<uint8_t>(size | 128));
    stream.push_back(static_cast<uint8_t>(size));
}

uint8_t take_byte(std::span<const uint8_t> &stream) {
    if (stream.empty()) throw CorruptData("a sorted block ends before its transform");
    const uint8_t byte = stream[0];
    stream = stream.subspan(1);
    return byte;
}

size_t take_size(std::span<const uint8_t> &stream) {
    size_t size = 0;
    for (unsigned shift = 0; shift <= 21; shift += 7) {
        const uint8_t byte = take_byte(stream);
        size |= size_t{byte & 127u} << shift;
        if (byte < 128) return size;
    }
    throw CorruptData("a size in a sorted block does not end");
}

}  // namespace

std::vector<uint8_t> encode_sorted(std::span<const uint8_t> bytes) {
    const Kind kind = kind_of(bytes);
    std::vector<uint8_t> stream{kInParts}, marked;
    if (kind.prose) {
        marked = mark_capitals(bytes);
        if (marked.size() <= kMaxBwtBytes) {
            stream[0] |= kMarked;
            put_size(stream, marked.size());
            bytes = marked;
        }
    }
    if (const std::optional<Form> form = without_repeats(bytes, kind.text)) {
        stream[0] |= kWithoutRepeats;
        stream.push_back(form->shortest);
        put_size(stream, form->bytes.size());
        encode_transform(form->bytes, stream);
    } else {
        encode_transform(bytes, stream);
    }
    return stream;
}

void decode_sorted(std::span<const uint8_t> stream, std::span<uint8_t> bytes) {
    if (bytes.empty() || bytes.size() > kMaxBwtBytes) throw CorruptData("a sorted block of impossible size");
    const uint8_t forms = take_byte(stream);
    if ((forms & ~(kMarked | kWithoutRepeats)) != kInParts) throw CorruptData("a sorted block of unknown form");
    std::optional<HugeArray<uint8_t>> marked;
    std::span<uint8_t> restored = bytes;
    if ((forms & kMarked) != 0) {
        const size_t size = take_size(stream);
        if (size < bytes.size() || size > 2 * bytes.size() || size > kMaxBwtBytes)
            throw CorruptData("marks of an impossible number");
        restored = marked.emplace(size).span();
    }
    if ((forms & kWithoutRepeats) != 0) {
        const size_t shortest = take_byte(stream), size = take_size(stream);
        if (shortest < kShortestCopy) throw CorruptData("repeats that are too short");
        if (size >= restored.size()) throw CorruptData("a form without repeats that is larger than its block");
        HugeArray<uint8_t> form(size);
        decode_transform(stream, form.span());
        restore_repeats(form.span(), shortest, restored);
    } else {
        decode_transform(stream, restored);
    }
    if (marked) restore_capitals(marked->span(), bytes);
}

}  // namespace laconic::text
