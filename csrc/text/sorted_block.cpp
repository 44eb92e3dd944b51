#include "text/sorted_block.h"

#include "entropy/error.h"
#include "text/bwt.h"
#include "text/bwt_coder.h"
#include "text/huge_array.h"

namespace laconic::text {

std::vector<uint8_t> encode_sorted(std::span<const uint8_t> bytes) {
    HugeArray<uint8_t> transform(bytes.size());
    std::vector<uint8_t> stream;
    for (const uint32_t row : forward_bwt(bytes, transform.data()))
        for (int shift = 0; shift < 24; shift += 8) stream.push_back(static_cast<uint8_t>(row >> shift));
    const std::vector<uint8_t> runs = encode_runs(transform.span());
    stream.insert(stream.end(), runs.begin(), runs.end());
    return stream;
}

void decode_sorted(std::span<const uint8_t> stream, std::span<uint8_t> bytes) {
    std::vector<uint32_t> rows(bwt_rows(bytes.size()));
    if (stream.size() < 3 * rows.size()) throw CorruptData("a sorted block ends before its transform");
    for (size_t k = 0; k < rows.size(); ++k)
        rows[k] = stream[3 * k] | static_cast<uint32_t>(stream[3 * k + 1]) << 8 | static_cast<uint32_t>(stream[3 * k + 2]) << 16;
    HugeArray<uint8_t> transform(bytes.size());
    decode_runs(stream.subspan(3 * rows.size()), transform.span());
    inverse_bwt(transform.span(), rows, bytes.data());
}

}  // namespace laconic::text
