#include "float/delta.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>
#include <vector>

#include "entropy/block.h"
#include "entropy/block_format.h"
#include "entropy/error.h"
#include "float/block_walk.h"
#include "float/delta_impl.h"
#include "float/planes_isa.h"
#include "float/scratch.h"
#include "float/token_coder.h"

namespace laconic::floats {

namespace {

constexpr DeltaKernels kDeltaScalar = kDeltaHere;

const DeltaKernels &kernels() {
#if defined(LACONIC_X86)
    if (active_isa() == Isa::avx512) return kDeltaAvx512;
    if (active_isa() == Isa::avx2) return kDeltaAvx2;
#endif
    return kDeltaScalar;
}

}  // namespace

void differences(const uint8_t *raw, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *zigzags) {
    kernels().differences(raw, base, n, format, zigzags);
}

void add_differences(const uint8_t *zigzags, const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *raw) {
    kernels().add_differences(zigzags, base, n, format, raw);
}

void base_contexts(const uint8_t *base, size_t n, const ElementFormat &format, uint8_t *contexts) {
    kernels().base_contexts(base, n, format, contexts);
}

void tokens(const uint8_t *zigzags, size_t n, unsigned width, uint8_t *out) { kernels().tokens(zigzags, n, width, out); }

void widen(const uint8_t *from, size_t n, unsigned width, uint8_t *zigzags) { kernels().widen(from, n, width, zigzags); }

void unite(const uint8_t *from, size_t n, uint8_t *united) { kernels().unite(from, n, united); }

void map_contexts(const uint8_t *contexts, size_t n, const uint8_t *table_of, uint16_t *tables) {
    kernels().map_contexts(contexts, n, table_of, tables);
}

namespace {

using namespace entropy;

enum class DeltaForm : uint8_t { equal = 0, all = 1, flagged = 2 };

constexpr size_t kStep = 4096;  // elements on their way through the first-level cache

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
    return raw_size + token_bound(n) + block_bound(blocks_of(n)) + 1024;
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
    Scratch memory(2 * n + blocks_of(n) + raw_size + 64 + token_scratch(n));
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
    Scratch memory(2 * n + 2 * blocks_of(n) + token_scratch(n));
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
