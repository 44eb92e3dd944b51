#include "text/prefix_code.h"

#include <algorithm>
#include <queue>
#include <utility>
#include <vector>

#include "entropy/error.h"

namespace laconic::text {

PrefixCode::PrefixCode(const std::array<uint8_t, 256> &lengths) {
    uint32_t used = 0;
    for (const uint8_t length : lengths) {
        if (length > kLongest) throw CorruptData("a code is too long");
        if (length > 0) used += 1u << (kLongest - length);
    }
    if (used != 1u << kLongest || std::count(lengths.begin(), lengths.end(), 0) > 254)
        throw CorruptData("a code is not complete");
    uint32_t next = 0, nodes = 1;
    for (unsigned length = 1; length <= kLongest; ++length) {
        for (unsigned byte = 0; byte < 256; ++byte) {
            if (lengths[byte] != length) continue;
            codes_[byte] = {static_cast<uint16_t>(next), static_cast<uint8_t>(length)};
            unsigned node = 0;
            for (unsigned k = length; --k > 0;) {
                uint16_t &down = children_[node][next >> k & 1];
                if (down == 0) down = static_cast<uint16_t>(nodes++);
                node = down;
            }
            children_[node][next & 1] = static_cast<uint16_t>(256 + byte);
            ++next;
        }
        next <<= 1;
    }
}

std::array<uint8_t, 256> huffman_lengths(const std::array<uint32_t, 256> &counts) {
    std::array<uint64_t, 256> weights{};
    std::copy(counts.begin(), counts.end(), weights.begin());
    for (size_t byte = 0; std::count(weights.begin(), weights.end(), 0) > 254; ++byte) weights[byte] += weights[byte] == 0;
    for (;;) {
        using Node = std::pair<uint64_t, size_t>;  // weight, number
        std::priority_queue<Node, std::vector<Node>, std::greater<>> open;
        std::vector<size_t> parent(512, 0);
        for (size_t byte = 0; byte < 256; ++byte)
            if (weights[byte] > 0) open.emplace(weights[byte], byte);
        size_t next = 256;
        while (open.size() > 1) {
            const Node a = open.top();
            open.pop();
            const Node b = open.top();
            open.pop();
            parent[a.second] = parent[b.second] = next;
            open.emplace(a.first + b.first, next++);
        }
        std::array<uint8_t, 256> lengths{};
        unsigned longest = 0;
        for (size_t byte = 0; byte < 256; ++byte) {
            if (weights[byte] == 0) continue;
            unsigned length = 0;
            for (size_t node = byte; node != next - 1; node = parent[node]) ++length;
            lengths[byte] = static_cast<uint8_t>(length);
            longest = std::max(longest, length);
        }
        if (longest <= PrefixCode::kLongest) return lengths;
        for (uint64_t &weight : weights) weight = (weight + 1) / 2;  // flatter
    }
}

}  // namespace laconic::text
