#include "kv/repeated_rows.h"

#include <bit>
#include <cstring>

#include "entropy/block.h"

namespace laconic::kv {
namespace {

// Only proposes; a comparison decides. Four chains, so that their multiplications overlap.
uint64_t hash_row(const uint8_t *row, size_t size) {
    constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15;
    const auto mix = [](uint64_t hash, uint64_t word) { return (std::rotl(hash, 23) ^ word) * kMultiplier; };
    uint64_t chains[4] = {size, 1, 2, 3};
    for (; size >= 32; row += 32, size -= 32)
        for (unsigned k = 0; k < 4; ++k) {
            uint64_t word;
            std::memcpy(&word, row + 8 * k, 8);
            chains[k] = mix(chains[k], word);
        }
    uint64_t hash = mix(mix(chains[0], chains[1]), mix(chains[2], chains[3]));
    for (; size > 0; ++row, --size) hash = mix(hash, *row);
    return hash ^ hash >> 32;
}

}  // namespace

DistinctRows::DistinctRows(const uint8_t *raw, size_t rows, size_t row_bytes) : number(rows) {
    const size_t slots = std::bit_ceil(2 * rows + 1);
    std::vector<uint32_t> table(slots);  // 1 + a row; 0: free
    for (size_t i = 0; i < rows; ++i) {
        const uint8_t *const row = raw + i * row_bytes;
        size_t slot = hash_row(row, row_bytes) & (slots - 1);
        while (table[slot] != 0 && std::memcmp(raw + (table[slot] - 1) * row_bytes, row, row_bytes) != 0)
            slot = (slot + 1) & (slots - 1);
        if (table[slot] == 0) {
            table[slot] = static_cast<uint32_t>(i + 1);
            number[i] = static_cast<uint32_t>(count++);
        } else {
            number[i] = number[table[slot] - 1];
        }
    }
}

void put_rows(std::vector<uint8_t> &out, const DistinctRows &rows) {
    std::vector<uint8_t> varints;
    uint32_t seen = 0;
    for (const uint32_t number : rows.number) {
        entropy::put_varint(varints, number == seen ? 0 : seen - number);
        seen += number == seen;
    }
    std::vector<uint8_t> block(entropy::block_bound(varints.size()));
    block.resize(entropy::encode_block(varints.data(), varints.size(), block.data()));
    entropy::put_varint(out, varints.size());
    entropy::put_sized(out, block.data(), block.size());
}

DistinctRows get_rows(entropy::ByteReader &in, size_t rows) {
    const size_t size = in.get_varint();
    if (size < rows || size > 5 * rows) throw CorruptData("kv: rows are missing");
    const entropy::ByteReader block = in.get_sized();
    std::vector<uint8_t> varints(size);
    entropy::decode_block(block.position(), block.remaining(), varints.data(), size);
    entropy::ByteReader values(varints.data(), size);
    DistinctRows result(nullptr, 0, 0);
    result.number.resize(rows);
    for (uint32_t &number : result.number) {
        const size_t back = values.get_varint();
        if (back > result.count) throw CorruptData("kv: a row repeats none");
        number = static_cast<uint32_t>(result.count - back);
        result.count += back == 0;
    }
    if (values.remaining() != 0) throw CorruptData("kv: rows are left");
    return result;
}

}  // namespace laconic::kv
