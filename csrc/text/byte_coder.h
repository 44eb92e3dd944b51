// The context-mixing coders for bytes: streams of profile D that depend on the data and the primer alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace laconic::text {

constexpr size_t kMostMixedBytes = size_t{1} << 24;  // of a block: what positions of matches can tell apart

// What the models expect: words, or records of numbers.
enum class Content { text, binary };

class ByteCoder {
public:
    virtual ~ByteCoder() = default;

    // At most kMostMixedBytes.
    virtual std::vector<uint8_t> encode(std::span<const uint8_t> bytes) const = 0;
    // Fills `bytes`; CorruptData unless `stream` is exactly such a stream.
    virtual void decode(std::span<const uint8_t> stream, std::span<uint8_t> bytes) const = 0;
};

// Coders whose models have learned `primer` before they meet the bytes. They may be used by several threads at once.
// Level `high`: about ten contexts, two match models (byte_model.h).
std::unique_ptr<ByteCoder> make_mixed_coder(std::span<const uint8_t> primer, Content content);
// Level `max`: 26 contexts, joined by a gated linear network that learns online (wide_model.h).
std::unique_ptr<ByteCoder> make_wide_coder(std::span<const uint8_t> primer, Content content);

}  // namespace laconic::text
