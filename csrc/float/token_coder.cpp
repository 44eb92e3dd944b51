#include "float/token_coder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>
#include <span>
#include <stdexcept>
#include <vector>

#include "entropy/bit_io.h"
#include "entropy/block_format.h"
#include "entropy/error.h"
#include "entropy/histogram.h"
#include "entropy/log2_fixed.h"
#include "entropy/rans_b.h"
#include "entropy/tables.h"
#include "float/delta.h"

#if defined(LACONIC_X86)
#include <emmintrin.h>
#endif

namespace laconic::floats {

namespace {

using namespace entropy;

constexpr unsigned kPrecision = 12;
constexpr size_t kTwoStreamsFrom = size_t{1} << 16;
constexpr size_t kMostTables = 32;
constexpr size_t kSampledFrom = size_t{1} << 16;  // contexts of which a quarter tells how many there are of each

unsigned lanes_for(size_t n) { return n < kManyLanesFrom ? rans_b::kFewLanes : rans_b::kLanes; }

struct Group {
    unsigned last;  // context
    uint64_t total = 0;
    std::array<uint32_t, 256> counts{};
};

// c * log2(c): coding with one's own table takes weight(total) less the sum of weight(count).
uint64_t weight(uint64_t c) {
    static const Log2Fixed log2_fixed;
    return c < 2 ? 0 : c * log2_fixed(static_cast<uint32_t>(c));
}

// What one table for both costs over one each, less what a table takes: below 0, they should share.
int64_t cost_of_joining(const Group &a, const Group &b, unsigned tokens) {
    uint64_t together = weight(a.total + b.total), apart = weight(a.total) + weight(b.total);
    uint64_t table = 24;
    for (unsigned s = 0; s < tokens; ++s) {
        if (a.counts[s] == 0 && b.counts[s] == 0) continue;
        if (a.counts[s] != 0 && b.counts[s] != 0) {
            together -= weight(uint64_t{a.counts[s]} + b.counts[s]);
            apart -= weight(a.counts[s]) + weight(b.counts[s]);
            table += 6;
        }
    }
    return static_cast<int64_t>(together - apart) - static_cast<int64_t>(table << kLogBits);
}

// Bit i: whether token i of kBlock is not 0.
constexpr size_t kBlock = 64;

#if defined(LACONIC_X86)
uint64_t changed(const uint8_t *tokens) {
    uint64_t bits = 0;
    for (unsigned k = 0; k < 4; ++k) {
        const __m128i part = _mm_loadu_si128(reinterpret_cast<const __m128i *>(tokens + 16 * k));
        const int same = _mm_movemask_epi8(_mm_cmpeq_epi8(part, _mm_setzero_si128()));
        bits |= static_cast<uint64_t>(~same & 0xffff) << (16 * k);
    }
    return bits;
}
#else
uint64_t changed(const uint8_t *tokens) {
    uint64_t bits = 0;
    for (unsigned k = 0; k < kBlock; ++k) bits |= uint64_t{tokens[k] != 0} << k;
    return bits;
}
#endif

// Counts a quarter of many contexts, 16 of every 64: rows and columns of a matrix differ, so the place moves with both. Returns
// how many were counted.
size_t count_quarter(const uint8_t *contexts, size_t n, ByteCounts &counts) {
    constexpr size_t kTaken = kBlock / 4;
    std::array<ByteCounts, 8> parts{};
    const size_t blocks = n / kBlock;
    for (size_t block = 0; block < blocks; ++block) {
        const uint8_t *const from = contexts + block * kBlock + kTaken * ((block + block / 4 + block / 32) % 4);
        for (size_t i = 0; i < kTaken; ++i) ++parts[i % 8][from[i]];
    }
    counts.fill(0);
    for (const ByteCounts &part : parts)
        for (size_t c = 0; c < counts.size(); ++c) counts[c] += part[c];
    return blocks * kTaken;
}

// Counts by context and token. Four tables, so that equal neighbours do not wait for each other; a context has a row from when it
// is met.
class TokenCounts {
public:
    void add(unsigned context, unsigned token, size_t k) { ++counts_[4 * (row(context) + token) + k % 4]; }

    // 0 for token 0, which need not have been added.
    void get(unsigned context, std::array<uint32_t, 256> &counts) {
        const uint32_t *const from = counts_.data() + 4 * row(context);
        for (unsigned s = 1; s < 256; ++s) counts[s] = from[4 * s] + from[4 * s + 1] + from[4 * s + 2] + from[4 * s + 3];
    }

    bool met(unsigned context) const { return rows_[context] != kNone; }

private:
    static constexpr uint32_t kNone = ~0u;

    uint32_t row(unsigned context) {
        if (rows_[context] == kNone) {
            rows_[context] = static_cast<uint32_t>(counts_.size() / 4);
            counts_.resize(counts_.size() + 4 * 256);
        }
        return rows_[context];
    }

    std::array<uint32_t, 256> rows_ = [] {
        std::array<uint32_t, 256> none;
        none.fill(kNone);
        return none;
    }();
    std::vector<uint32_t> counts_;
};

// Of most contexts nearly all tokens are 0, and how many is an estimate: each context's share of a sample. Every table has room
// for 0.
std::vector<Group> count_contexts(const uint8_t *tokens, const uint8_t *contexts, size_t n) {
    constexpr int kFew = 20;  // of a block, which are counted one by one
    TokenCounts counts;
    size_t i = 0, dense = 0;
    for (; i + kBlock <= n; i += kBlock) {
        uint64_t left = changed(tokens + i);
        if (std::popcount(left) > kFew) {
            for (size_t k = 0; k < kBlock; ++k) counts.add(contexts[i + k], tokens[i + k], k);
            ++dense;
            continue;
        }
        for (size_t k = 0; left != 0; left &= left - 1, ++k) {
            const size_t at = i + static_cast<size_t>(std::countr_zero(left));
            counts.add(contexts[at], tokens[at], k);
        }
    }
    for (; i < n; ++i) counts.add(contexts[i], tokens[i], i);
    ByteCounts of_context;
    size_t sampled = n;
    if (n < kSampledFrom || 4 * dense > n / kBlock)
        count_bytes(contexts, n, of_context);
    else
        sampled = count_quarter(contexts, n, of_context);
    std::vector<Group> groups;
    for (unsigned c = 0; c < 256; ++c) {
        if (of_context[c] == 0 && !counts.met(c)) continue;
        Group group{c, 0, {}};
        if (counts.met(c)) counts.get(c, group.counts);
        const uint64_t others = std::accumulate(group.counts.begin(), group.counts.end(), uint64_t{0});
        group.total = std::max(uint64_t{of_context[c]} * n / sampled, others + 1);
        group.counts[0] = static_cast<uint32_t>(group.total - others);
        groups.push_back(group);
    }
    return groups;
}

std::vector<Group> group_contexts(const uint8_t *tokens, const uint8_t *contexts, size_t n) {
    std::vector<Group> groups = count_contexts(tokens, contexts, n);
    unsigned live = 0;
    for (const Group &group : groups)
        for (unsigned s = live; s < 256; ++s)
            if (group.counts[s] != 0) live = s + 1;
    std::vector<int64_t> joining(groups.size());
    const auto cost_after = [&](size_t k) {  // of joining k with the one after it
        joining[k] = k + 1 < groups.size() ? cost_of_joining(groups[k], groups[k + 1], live) : INT64_MAX;
    };
    for (size_t k = 0; k < groups.size(); ++k) cost_after(k);
    while (groups.size() > 1) {
        const size_t k = static_cast<size_t>(std::min_element(joining.begin(), joining.end()) - joining.begin());
        if (joining[k] > 0 && groups.size() <= kMostTables) break;
        for (unsigned s = 0; s < 256; ++s) groups[k].counts[s] += groups[k + 1].counts[s];
        groups[k].total += groups[k + 1].total;
        groups[k].last = groups[k + 1].last;
        groups.erase(groups.begin() + static_cast<ptrdiff_t>(k) + 1);
        joining.erase(joining.begin() + static_cast<ptrdiff_t>(k) + 1);
        cost_after(k);
        if (k > 0) cost_after(k - 1);
    }
    return groups;
}

// Symbols of the first of two streams.
size_t first_stream(size_t n) { return n < kTwoStreamsFrom ? n : n / 2 / rans_b::kLanes * rans_b::kLanes; }

// A symbol takes at most a word.
size_t stream_room(size_t n) { return 2 * n + 4 * rans_b::kRowBytes; }

size_t streams_room(size_t n) { return stream_room(first_stream(n)) + stream_room(n - first_stream(n)); }

}  // namespace

size_t token_scratch(size_t n) { return 2 * n + streams_room(n); }

size_t token_bound(size_t n) { return kMostTables * kHeaderRoom + streams_room(n); }

uint8_t *encode_tokens(const uint8_t *tokens, const uint8_t *contexts, size_t n, Scratch &memory, uint8_t *out) {
    const std::vector<Group> groups = group_contexts(tokens, contexts, n);
    std::array<uint8_t, 256> table_of{};
    std::vector<Freqs> freqs(groups.size());
    std::vector<std::array<rans_b::EncodeSymbol, 256>> encode(groups.size());
    *out++ = static_cast<uint8_t>(groups.size());
    for (size_t k = 0, c = 0; k < groups.size(); ++k) {
        const bool last = k + 1 == groups.size();
        for (; c <= (last ? 255 : groups[k].last); ++c) table_of[c] = static_cast<uint8_t>(k);
        if (!last) *out++ = static_cast<uint8_t>(groups[k].last);
        normalise(groups[k].counts, kPrecision, freqs[k]);
        rans_b::build_encode_table(freqs[k], encode[k].data());
    }
    uint16_t *const tables = memory.take<uint16_t>(n);
    map_contexts(contexts, n, table_of.data(), tables);
    const size_t n_first = first_stream(n), room = streams_room(n);
    uint8_t *const streams = memory.take(room);
    rans_b::EncodeJob<uint8_t> jobs[2];
    const size_t count = n_first < n ? 2 : 1, first_room = stream_room(n_first);
    for (size_t k = 0; k < count; ++k) {
        const size_t first = k == 0 ? 0 : n_first, last = k == 0 ? n_first : n;
        uint8_t *const begin = streams + (k == 0 ? 0 : first_room);
        jobs[k] = {encode[0].data(),
                   256,
                   kPrecision,
                   lanes_for(n),
                   tokens + first,
                   tables + first,
                   last - first,
                   begin,
                   begin + stream_room(last - first),
                   {},
                   static_cast<unsigned>(groups.size())};
    }
    const std::array<uint8_t *, 2> begins =
        count == 2 ? rans_b::encode_pair(jobs[0], jobs[1]) : std::array<uint8_t *, 2>{rans_b::encode(jobs[0]), nullptr};
    for (size_t k = 0; k < count; ++k)
        if (begins[k] == nullptr) throw std::logic_error("tokens did not fit their bound");
    BitWriter bits(out, kMostTables * kHeaderRoom);
    for (const Freqs &table : freqs) write_table(bits, table, kPrecision);
    for (size_t k = 0; k < count; ++k) rans_b::write_states(bits, std::span(jobs[k].states).first(lanes_for(n)));
    if (bits.overflowed()) throw std::logic_error("tables did not fit their bound");
    out += bits.finish();
    for (size_t k = 0; k < count; ++k) {
        const size_t size = static_cast<size_t>(jobs[k].end - begins[k]);
        out = write_varint(out, size);
        std::memcpy(out, begins[k], size);
        out += size;
    }
    return out;
}

void decode_tokens(BlockWalk &walk, const uint8_t *contexts, size_t n, Scratch &memory, uint8_t *tokens) {
    const size_t groups = *walk.take(1);
    if (groups == 0 || groups > kMostTables) throw CorruptData("no such number of tables");
    std::array<uint8_t, 256> table_of{};
    unsigned c = 0;
    for (size_t k = 0; k < groups; ++k) {
        const unsigned last = k + 1 < groups ? *walk.take(1) : 255;
        if (last < c || (k + 1 < groups && last == 255)) throw CorruptData("groups of contexts are not in order");
        for (; c <= last; ++c) table_of[c] = static_cast<uint8_t>(k);
    }
    const size_t n_first = first_stream(n), count = n_first < n ? 2 : 1;
    BitReader bits(walk.position(), walk.remaining());
    std::vector<uint16_t> freqs(256 * groups);
    for (size_t k = 0; k < groups; ++k) read_table(bits, std::span(freqs).subspan(256 * k, 256), kPrecision);
    rans_b::DecodeTables decode;
    decode.build(freqs, 256, kPrecision, 1);
    uint16_t *const tables = memory.take<uint16_t>(n);
    map_contexts(contexts, n, table_of.data(), tables);
    rans_b::DecodeJob<uint8_t> jobs[2];
    for (size_t k = 0; k < count; ++k) {
        jobs[k] = {&decode,
                   lanes_for(n),
                   tokens + k * n_first,
                   tables + k * n_first,
                   nullptr,
                   k == 0 ? n_first : n - n_first,
                   nullptr,
                   nullptr,
                   {}};
        rans_b::read_states(bits, std::span(jobs[k].states).first(lanes_for(n)));
    }
    walk.take(bits.finish());
    for (size_t k = 0; k < count; ++k) {
        const size_t size = walk.varint();
        jobs[k].stream = walk.take(size);
        jobs[k].end = walk.position();
    }
    if (count == 2)
        rans_b::decode_pair(jobs[0], jobs[1]);
    else
        rans_b::decode(jobs[0]);
}

}  // namespace laconic::floats
