#include "float/delta.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>
#include <stdexcept>
#include <vector>

#include "entropy/bit_io.h"
#include "entropy/block.h"
#include "entropy/block_format.h"
#include "entropy/error.h"
#include "entropy/histogram.h"
#include "entropy/log2_fixed.h"
#include "entropy/rans_b.h"
#include "entropy/tables.h"
#include "float/block_walk.h"
#include "float/delta_impl.h"
#include "float/planes_isa.h"
#include "float/scratch.h"

namespace laconic::floats {

void differences(const uint8_t *raw, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *zigzags) {
    LACONIC_FLOATS_DISPATCH(differences, raw, base, n, format, zigzags)
    differences_here(raw, base, n, format, zigzags);
}

void add_differences(const uint8_t *zigzags, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *raw) {
    LACONIC_FLOATS_DISPATCH(add_differences, zigzags, base, n, format, raw)
    add_differences_here(zigzags, base, n, format, raw);
}

void base_contexts(const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *contexts) {
    LACONIC_FLOATS_DISPATCH(base_contexts, base, n, format, contexts)
    base_contexts_here(base, n, format, contexts);
}

void tokens(const uint8_t *zigzags, size_t n, unsigned width, uint8_t *out) {
    LACONIC_FLOATS_DISPATCH(tokens, zigzags, n, width, out)
    tokens_here(zigzags, n, width, out);
}

void widen(const uint8_t *from, size_t n, unsigned width, uint8_t *zigzags) {
    LACONIC_FLOATS_DISPATCH(widen, from, n, width, zigzags)
    widen_here(from, n, width, zigzags);
}

void unite(const uint8_t *from, size_t n, uint8_t *united) {
    LACONIC_FLOATS_DISPATCH(unite, from, n, united)
    unite_here(from, n, united);
}

void map_contexts(const uint8_t *contexts, size_t n, const uint8_t *table_of, uint16_t *tables) {
    LACONIC_FLOATS_DISPATCH(map_contexts, contexts, n, table_of, tables)
    map_contexts_here(contexts, n, table_of, tables);
}

namespace {

using namespace entropy;

enum class DeltaForm : uint8_t { equal = 0, all = 1, flagged = 2 };

constexpr size_t kStep = 4096;  // elements on their way through the first-level cache
constexpr unsigned kPrecision = 12;
constexpr size_t kTwoStreamsFrom = size_t{1} << 16;
constexpr size_t kMostTables = 32;

unsigned lanes_for(size_t n) { return n < kManyLanesFrom ? rans_b::kFewLanes : rans_b::kLanes; }

// ------------------------------------------------------------------ raw bits

// Up to 57 bits at a time, least significant first. No branch: whether a byte is full is a coin toss.
class WordBits {
public:
    explicit WordBits(uint8_t *out) : begin_(out), out_(out) {}

    void put(uint64_t value, unsigned count) {
        pending_ |= value << filled_;
        filled_ += count;
        store(pending_);
        out_ += filled_ / 8;
        pending_ >>= filled_ & ~7u;
        filled_ %= 8;
    }

    std::span<const uint8_t> finish() {
        store(pending_);
        return {begin_, static_cast<size_t>(out_ - begin_) + (filled_ + 7) / 8};
    }

private:
    void store(uint64_t word) {
        if constexpr (std::endian::native != std::endian::little) word = __builtin_bswap64(word);
        std::memcpy(out_, &word, 8);
    }

    uint8_t *begin_, *out_;
    uint64_t pending_ = 0;
    unsigned filled_ = 0;
};

uint64_t load_word(const uint8_t *p) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    if constexpr (std::endian::native != std::endian::little) word = __builtin_bswap64(word);
    return word;
}

// Up to 57 bits at `position`; bits past the end are zeros.
uint64_t take_bits(const uint8_t *data, size_t size, size_t position, unsigned count) {
    const size_t byte = position / 8;
    uint64_t word = 0;
    if (byte + 8 <= size)
        word = load_word(data + byte);
    else
        for (size_t k = 0; byte + k < size; ++k) word |= uint64_t{data[byte + k]} << (8 * k);
    return word >> (position % 8) & ((uint64_t{1} << count) - 1);
}

constexpr unsigned kMostBits = 32;  // of a difference that are written at once

// ------------------------------------------------------------------ tokens

// By token: its raw bits and where its differences begin.
struct TokenTable {
    uint8_t extra[256];
    uint64_t base[256];

    constexpr TokenTable() : extra{}, base{} {
        for (unsigned t = 0; t < 256; ++t) {
            extra[t] = static_cast<uint8_t>(extra_bits(static_cast<uint8_t>(t)));
            base[t] = token_base(static_cast<uint8_t>(t));
        }
    }
};
constexpr TokenTable kTokens;

// Calls f(i) for each token that is not direct.
template <class F>
void for_each_long(const uint8_t *tokens, size_t n, F &&f) {
    constexpr uint64_t kLong = 0xf0f0f0f0f0f0f0f0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (uint64_t left = load_word(tokens + i) & kLong; left != 0;) {
            const unsigned k = static_cast<unsigned>(std::countr_zero(left)) / 8;
            f(i + k);
            left &= ~(uint64_t{0xff} << (8 * k));
        }
    }
    for (; i < n; ++i)
        if (tokens[i] >= kDirect) f(i);
}

template <class T>
void write_raw_bits(const uint8_t *zigzags, const uint8_t *tokens, size_t n, WordBits &bits) {
    for_each_long(tokens, n, [&](size_t i) {
        T z;
        std::memcpy(&z, zigzags + i * sizeof(T), sizeof(T));
        unsigned extra = kTokens.extra[tokens[i]];
        uint64_t rest = z & ((uint64_t{1} << extra) - 1);
        if (sizeof(T) == 8 && extra > kMostBits) {
            bits.put(rest & 0xffffffff, kMostBits);
            rest >>= kMostBits;
            extra -= kMostBits;
        }
        bits.put(rest, extra);
    });
}

// Replaces the tokens that are not direct; returns the position after their bits.
template <class T>
size_t read_raw_bits(const uint8_t *tokens, size_t n, const uint8_t *data, size_t size, size_t position, uint8_t *zigzags) {
    const bool inside = sizeof(T) < 8 && position / 8 + n * sizeof(T) + 8 <= size;  // a token has fewer raw bits than its element
    for_each_long(tokens, n, [&](size_t i) {
        const unsigned extra = kTokens.extra[tokens[i]];
        uint64_t rest;
        if (inside) {
            rest = load_word(data + position / 8) >> (position % 8) & ((uint64_t{1} << extra) - 1);
        } else {
            const unsigned first = std::min(extra, kMostBits);
            rest = take_bits(data, size, position, first);
            if (extra > first) rest |= take_bits(data, size, position + first, extra - first) << first;
        }
        position += extra;
        const T z = static_cast<T>(kTokens.base[tokens[i]] + rest);
        std::memcpy(zigzags + i * sizeof(T), &z, sizeof(T));
    });
    return position;
}

// The largest token that a difference of `width` bytes can have.
uint8_t largest_token(unsigned width) { return token_of(~uint64_t{0} >> (64 - 8 * width)); }

// ------------------------------------------------------------------ tables shared by neighbouring contexts

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

// Counts by context and token, in the contexts that occur.
std::vector<Group> count_contexts(const uint8_t *tokens, const uint8_t *contexts, size_t n) {
    ByteCounts of_context;
    count_bytes(contexts, n, of_context);
    std::vector<Group> groups;
    std::array<uint32_t, 256> row{};
    for (unsigned c = 0; c < 256; ++c) {
        if (of_context[c] == 0) continue;
        row[c] = static_cast<uint32_t>(256 * groups.size());
        groups.push_back({c, of_context[c], {}});
    }
    // Most elements are unchanged, so only the others are counted. Four tables, so that equal neighbours do not wait for each
    // other.
    const size_t cells = 256 * groups.size();
    std::vector<uint32_t> counts(4 * cells);
    uint32_t *const table[4] = {counts.data(), counts.data() + cells, counts.data() + 2 * cells, counts.data() + 3 * cells};
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t eight;
        std::memcpy(&eight, tokens + i, 8);
        if (eight == 0) continue;
        for (size_t k = 0; k < 8; ++k) ++table[k % 4][row[contexts[i + k]] + tokens[i + k]];
    }
    for (; i < n; ++i) ++table[0][row[contexts[i]] + tokens[i]];
    for (size_t k = 0; k < groups.size(); ++k) {
        Group &group = groups[k];
        uint64_t others = 0;
        for (unsigned s = 1; s < 256; ++s) {
            const size_t cell = 256 * k + s;
            others += group.counts[s] = table[0][cell] + table[1][cell] + table[2][cell] + table[3][cell];
        }
        group.counts[0] = static_cast<uint32_t>(group.total - others);
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

// Tables, states and streams of tokens; returns the end.
uint8_t *encode_tokens(const uint8_t *tokens, const uint8_t *contexts, size_t n, Scratch &memory, uint8_t *out) {
    const std::vector<Group> groups = group_contexts(tokens, contexts, n);
    std::array<uint8_t, 256> table_of{};
    std::vector<Freqs> freqs(groups.size());
    std::vector<std::array<rans_b::EncodeSymbol, 256>> encode(groups.size());
    *out++ = static_cast<uint8_t>(groups.size());
    for (size_t k = 0, c = 0; k < groups.size(); ++k) {
        for (; c <= groups[k].last; ++c) table_of[c] = static_cast<uint8_t>(k);
        if (k + 1 < groups.size()) *out++ = static_cast<uint8_t>(groups[k].last);
        normalise(groups[k].counts, kPrecision, freqs[k]);
        rans_b::build_encode_table(freqs[k], encode[k].data());
    }
    uint16_t *const tables = memory.take<uint16_t>(n);
    map_contexts(contexts, n, table_of.data(), tables);
    const size_t n_first = first_stream(n), room = stream_room(n);
    uint8_t *const streams = memory.take(room);
    rans_b::EncodeJob<uint8_t> jobs[2];
    const uint8_t *begins[2] = {};
    uint8_t *end = streams + room;
    const size_t count = n_first < n ? 2 : 1;
    for (size_t k = count; k-- > 0;) {
        const size_t first = k == 0 ? 0 : n_first, last = k == 0 ? n_first : n;
        jobs[k] = {encode[0].data(), 256,          kPrecision, lanes_for(n), tokens + first,
                   tables + first,   last - first, streams,    end,          {}};
        begins[k] = rans_b::encode(jobs[k]);
        if (begins[k] == nullptr) return nullptr;
        end = const_cast<uint8_t *>(begins[k]);
    }
    BitWriter bits(out, kMostTables * kHeaderRoom);
    for (const Freqs &table : freqs) write_table(bits, table, kPrecision);
    for (size_t k = 0; k < count; ++k) rans_b::write_states(bits, std::span(jobs[k].states).first(lanes_for(n)));
    if (bits.overflowed()) return nullptr;
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

size_t blocks_of(size_t n) { return (n + kDeltaBlock - 1) / kDeltaBlock; }

// Copies the blocks whose flag is set from tokens (and contexts) to the front; returns their symbols.
size_t gather_blocks(const uint8_t *flags, size_t n, uint8_t *symbols) {
    size_t kept = 0;
    for (size_t b = 0; b < blocks_of(n); ++b) {
        if (flags[b] == 0) continue;
        const size_t first = b * kDeltaBlock, count = std::min(kDeltaBlock, n - first);
        std::memmove(symbols + kept, symbols + first, count);
        kept += count;
    }
    return kept;
}

// The inverse, in place from the back; the blocks between are zeros.
void spread_blocks(const uint8_t *flags, size_t n, size_t kept, uint8_t *symbols) {
    for (size_t b = blocks_of(n); b-- > 0;) {
        const size_t first = b * kDeltaBlock, count = std::min(kDeltaBlock, n - first);
        if (flags[b] == 0) {
            std::memset(symbols + first, 0, count);
            continue;
        }
        kept -= count;
        std::memmove(symbols + first, symbols + kept, count);
    }
}

}  // namespace

size_t delta_bound(size_t raw_size, const ElementFormat &format) {
    const size_t n = raw_size / format.width;
    return 2 * raw_size + 3 * n + block_bound(blocks_of(n)) + kMostTables * kHeaderRoom + 1024;
}

size_t encode_delta(const uint8_t *raw, const uint8_t *base, const uint8_t *contexts, size_t raw_size,
                    const ElementFormat &format, uint8_t *out) {
    const size_t width = format.width, n = raw_size / width, rest = raw_size - n * width;
    uint8_t *p = out + 1;
    const auto finish = [&](DeltaForm form) {
        out[0] = static_cast<uint8_t>(form);
        std::memcpy(p, raw + n * width, rest);
        return static_cast<size_t>(p - out) + rest;
    };
    if (std::memcmp(raw, base, n * width) == 0) return finish(DeltaForm::equal);
    Scratch memory(2 * n + blocks_of(n) + raw_size + 64 + 2 * n + stream_room(n));
    uint8_t *const symbols = memory.take(n), *const own = memory.take(n), *const flags = memory.take(blocks_of(n));
    WordBits bits(memory.take(raw_size + 64));
    alignas(64) uint8_t zigzags[kStep * kMaxWidth];
    for (size_t first = 0; first < n; first += kStep) {
        const size_t count = std::min(kStep, n - first);
        uint8_t *const united = flags + first / kDeltaBlock;
        differences(raw + first * width, base + first * width, count, format, zigzags);
        tokens(zigzags, count, format.width, symbols + first);
        unite(symbols + first, count, united);
        for (size_t at = 0; at < count; at += kDeltaBlock) {
            if (united[at / kDeltaBlock] < kDirect) continue;
            with_width(format.width, [&]<class T>() {
                write_raw_bits<T>(zigzags + at * width, symbols + first + at, std::min(kDeltaBlock, count - at), bits);
            });
        }
    }
    if (contexts == nullptr)
        base_contexts(base, n, format, own);
    else
        std::memcpy(own, contexts, n);
    DeltaForm form = DeltaForm::all;
    size_t coded = n;
    if (static_cast<size_t>(std::count(flags, flags + blocks_of(n), 0)) > blocks_of(n) / 4) {
        form = DeltaForm::flagged;
        for (size_t b = 0; b < blocks_of(n); ++b) flags[b] = flags[b] != 0;
        coded = gather_blocks(flags, n, symbols);
        gather_blocks(flags, n, own);
        const size_t size = encode_block(flags, blocks_of(n), p + kSizeBytes);
        put_size(p, size);
        p += kSizeBytes + size;
    }
    p = encode_tokens(symbols, own, coded, memory, p);
    if (p == nullptr) throw std::logic_error("a delta did not fit its bound");
    const auto raw_bits = bits.finish();
    p = std::copy(raw_bits.begin(), raw_bits.end(), p);
    return finish(form);
}

void decode_delta(const uint8_t *data, size_t size, const uint8_t *base, const uint8_t *contexts, uint8_t *raw, size_t raw_size,
                  const ElementFormat &format) {
    const size_t width = format.width, n = raw_size / width, rest = raw_size - n * width;
    if (size < rest + 1) throw CorruptData("the payload ends before its elements");
    const uint8_t *const tail = data + size - rest;
    BlockWalk walk(data + 1, size - rest - 1);
    if (data[0] > static_cast<uint8_t>(DeltaForm::flagged)) throw CorruptData("no such form of differences");
    const DeltaForm form{data[0]};
    if (form == DeltaForm::equal) {
        if (walk.remaining() != 0) throw CorruptData("the payload is longer than its elements");
        std::memmove(raw, base, n * width);
        std::memcpy(raw + n * width, tail, rest);
        return;
    }
    Scratch memory(2 * n + 2 * blocks_of(n) + 2 * n);
    uint8_t *const symbols = memory.take(n), *const own = memory.take(n), *const flags = memory.take(blocks_of(n)),
                   *const united = memory.take(blocks_of(n));
    if (contexts == nullptr)
        base_contexts(base, n, format, own);
    else
        std::memcpy(own, contexts, n);
    size_t coded = n;
    if (form == DeltaForm::flagged) {
        const auto [block, block_size] = walk.next();
        decode_block(block, block_size, flags, blocks_of(n));
        if (std::any_of(flags, flags + blocks_of(n), [](uint8_t flag) { return flag > 1; })) throw CorruptData("no such flag");
        coded = gather_blocks(flags, n, own);
    }
    if (coded == 0) throw CorruptData("a difference without one");
    decode_tokens(walk, own, coded, memory, symbols);
    if (form == DeltaForm::flagged) spread_blocks(flags, n, coded, symbols);
    unite(symbols, n, united);
    // 2^k - 1, so that the OR of tokens passes it where one of them does.
    if (*std::max_element(united, united + blocks_of(n)) > largest_token(format.width))
        throw CorruptData("a difference is wider than its elements");
    const uint8_t *const bit_data = walk.position();
    const size_t bit_bytes = walk.remaining();
    size_t position = 0;
    alignas(64) uint8_t zigzags[kStep * kMaxWidth], sums[kStep * kMaxWidth];
    for (size_t first = 0; first < n; first += kStep) {
        const size_t count = std::min(kStep, n - first);
        for (size_t at = 0; at < count; at += kDeltaBlock) {
            const size_t block = std::min(kDeltaBlock, count - at);
            const uint8_t *const from = symbols + first + at;
            uint8_t *const to = zigzags + at * width;
            widen(from, block, format.width, to);
            if (united[(first + at) / kDeltaBlock] < kDirect) continue;
            position = with_width(format.width,
                                  [&]<class T>() { return read_raw_bits<T>(from, block, bit_data, bit_bytes, position, to); });
            if (position > 8 * bit_bytes) throw CorruptData("the payload ends before its raw bits");
        }
        add_differences(zigzags, base + first * width, count, format, sums);
        std::memcpy(raw + first * width, sums, count * width);
    }
    if ((position + 7) / 8 != bit_bytes) throw CorruptData("the payload is longer than its elements");
    std::memcpy(raw + n * width, tail, rest);
}

}  // namespace laconic::floats
