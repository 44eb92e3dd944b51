// The binary decisions that name a byte: a walk down the tree of a Huffman code, so that common bytes take few of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace laconic::text {

class PrefixCode {
public:
    static constexpr unsigned kLongest = 14;

    // Lengths of the codes, 0 for bytes that have none: a complete code (the sum of 2^-length is 1) of at least two bytes.
    // CorruptData otherwise.
    explicit PrefixCode(const std::array<uint8_t, 256> &lengths);

    // Codes are numbered in the order of their lengths, then of their bytes.
    struct Code {
        uint16_t bits;  // the first decision is the highest
        uint8_t length;
    };
    Code code(uint8_t byte) const { return codes_[byte]; }

    // An inner node of the tree: 0 is the root. Its children are inner nodes, or 256 + byte.
    unsigned child(unsigned node, unsigned bit) const { return children_[node][bit]; }

private:
    std::array<Code, 256> codes_{};
    std::array<std::array<uint16_t, 2>, 255> children_{};
};

// Lengths of a Huffman code for bytes that occur so often. A second byte gets a code where only one occurs.
std::array<uint8_t, 256> huffman_lengths(const std::array<uint32_t, 256> &counts);

}  // namespace laconic::text
