#include "entropy/block.h"

#include <algorithm>
#include <stdexcept>

#include "entropy/block_b.h"
#include "entropy/block_flat.h"
#include "entropy/block_format.h"
#include "entropy/block_run.h"
#include "entropy/histogram.h"
#include "entropy/noise.h"
#include "entropy/rans_a.h"
#include "entropy/rans_b.h"

namespace laconic::entropy {

size_t block_bound(size_t n) { return n + kHeaderRoom + 2 * rans_a::kLanes; }

size_t encode_block(const uint8_t *symbols, size_t n, uint8_t *out, const BlockOptions &options) {
    if (n > kMaxBlockSymbols) throw std::invalid_argument("a block holds at most 2^24 symbols");
    if (options.precision != 0 && (options.precision < static_cast<int>(rans_b::kMinPrecision) ||
                                   options.precision > static_cast<int>(rans_b::kMaxPrecision)))
        throw std::invalid_argument("precision must be 10 to 14, or 0");
    if (options.profile == Profile::automatic && looks_like_noise(symbols, n)) return encode_raw(symbols, n, out);
    if (options.profile == Profile::automatic && options.segments && n >= kSegmentsFrom)
        if (const size_t size = encode_segments(symbols, n, out, options)) return size;
    const bool fast = options.profile == Profile::a || (options.profile == Profile::automatic && options.prefer_speed);
    if (fast && n >= kSampleFrom)
        if (const size_t size = encode_sampled(symbols, n, out, options)) return size;
    ByteCounts counts;
    count_bytes(symbols, n, counts);
    const size_t flat = encode_flat(symbols, n, counts, out, options);
    if (options.profile != Profile::automatic && options.profile != Profile::run) return flat;
    const auto dominant = std::max_element(counts.begin(), counts.end());
    const bool mostly_one = *dominant >= n - n / 4;
    if (n == 0 || *dominant == n || (!mostly_one && options.profile == Profile::automatic)) return flat;
    // Runs also decode faster than anything else here, so they win when within 1/64.
    const size_t most = options.profile == Profile::run ? n + 1 : flat + flat / 64;
    const size_t run = encode_run(symbols, n, counts, static_cast<uint8_t>(dominant - counts.begin()), most, out);
    return run != 0 ? run : flat;
}

void decode_block(const uint8_t *data, size_t size, uint8_t *symbols, size_t n) {
    if (n > kMaxBlockSymbols) throw std::invalid_argument("a block holds at most 2^24 symbols");
    if (size != 0 && data[0] == static_cast<uint8_t>(Form::run)) return decode_run(data + 1, size - 1, symbols, n);
    decode_flat(data, size, symbols, n);
}

const uint8_t *raw_symbols(const uint8_t *data, size_t size, size_t n) {
    return size == n + 1 && data[0] == first_byte(Form::raw, 0) ? data + 1 : nullptr;
}

void decode_blocks(std::span<const BlockToDecode> blocks) {
    const auto is_b = [](const BlockToDecode &block) {
        return block.size != 0 && (block.data[0] & 15) == static_cast<uint8_t>(Form::b) && block.n <= kMaxBlockSymbols;
    };
    ParsedB parsed[2];
    for (size_t i = 0; i < blocks.size(); ++i) {
        if (i + 1 == blocks.size() || !is_b(blocks[i]) || !is_b(blocks[i + 1])) {
            decode_block(blocks[i].data, blocks[i].size, blocks[i].symbols, blocks[i].n);
            continue;
        }
        for (size_t k = 0; k < 2; ++k) {
            const BlockToDecode &block = blocks[i + k];
            parsed[k].parse(block.data + 1, block.size - 1, block.data[0] >> 4, rans_b::kLanes, block.symbols, block.n);
        }
        rans_b::decode_pair(parsed[0].job, parsed[1].job);
        ++i;
    }
}

const char *block_form(const uint8_t *data, size_t size) {
    if (size == 0) throw CorruptData("entropy block: it is empty");
    switch (Form{static_cast<uint8_t>(data[0] & 15)}) {
        case Form::raw:
            return "raw";
        case Form::constant:
            return "constant";
        case Form::run:
            return "run";
        case Form::a:
            return "A";
        case Form::a_segments:
            return "A segments";
        case Form::b:
        case Form::b_few_lanes:
            return "B";
        case Form::b_segments:
            return "B segments";
    }
    throw CorruptData("entropy block: no such form");
}

}  // namespace laconic::entropy
