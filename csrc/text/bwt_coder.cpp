#include "text/bwt_coder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <memory>

#include "entropy/error.h"
#include "entropy/word_coder.h"
#include "mixing/state_map.h"
#include "text/huge_array.h"
#include "text/prefix_code.h"
#include "text/small_mixer.h"

namespace laconic::text {

namespace {

// From here on a block is coded as two parts, so that a decoder can work at both at once: one decision alone mostly waits for the
// one before. Each part learns from the start, which costs 0.4 % of 150 KB and 0.2 % of 1 MB.
constexpr size_t kTwoParts = size_t{1} << 18;
constexpr size_t kHead = 8;

constexpr uint16_t rate(int shift) { return static_cast<uint16_t>(65536 >> shift); }

// Rates were tuned on the first MB of enwik8, alice29, urls.10K, pysrc and osdb.
constexpr int32_t kByteRate = 55, kLengthRate = 40;
// Several rates of forgetting for one context: the transform's statistics drift from context to context, or change at once.
// Order 0, the last two bytes, order 1, the two before the last.
alignas(16) constexpr std::array<uint16_t, 8> kByteAdapt = {rate(1), rate(4), rate(7), rate(4),
                                                            rate(2), rate(4), rate(6), rate(4)};
constexpr std::array<uint16_t, 4> kLengthAdapt = {rate(4), rate(3), rate(5), rate(5)};

constexpr unsigned kMostLengthBits = 24;

uint32_t hash(uint32_t a, uint32_t b) {
    uint32_t h = a * 0x9E3779B1u ^ (b + 0x7F4A7C15u) * 0x85EBCA6Bu;
    h = (h ^ h >> 15) * 0x2C1B3C6Du;
    return h ^ h >> 13;
}

// Lines of 32 probabilities, a cache line each.
class Lines {
public:
    static constexpr size_t kSize = 32;

    explicit Lines(size_t lines) : words_(kSize * lines) { std::fill_n(words_.data(), words_.size(), kEven); }
    uint16_t *at(size_t line) { return words_.data() + kSize * line; }

private:
    HugeArray<uint16_t> words_;
};

// Lines found by a hash: contexts that share one by chance share its statistics.
class HashedLines {
public:
    // The more, the less a cache holds of them: 2^12 cost 0.1 % of the size, and are a quarter faster than 2^16.
    explicit HashedLines(size_t block) : HashedLines(std::clamp(static_cast<int>(std::bit_width(block)) - 4, 8, 12)) {}

    void choose(uint32_t context) {
        context_ = context;
        __builtin_prefetch(find(1));
    }
    // `path` holds the decisions so far below a 1.
    uint16_t *find(uint32_t path) { return lines_.at((context_ + path * 0x3D4D51CBu) >> shift_); }

private:
    explicit HashedLines(int bits) : shift_(32 - bits), lines_(size_t{1} << bits) {}
    int shift_;
    uint32_t context_ = 0;
    Lines lines_;
};

template <size_t N>
struct Weights {
    explicit Weights(size_t sets) : all(N * (sets + 1), 16384 * 3 / 4 / static_cast<int>(N)) {}
    int16_t *of(size_t set) { return all.data() + N * (set + 1); }
    int16_t *common() { return all.data(); }
    std::vector<int16_t> all;  // first those that all decisions share
};

// Codes one part of the runs. Coder::code(p1, bit) returns the bit, which a decoder takes from its stream.
template <class Coder>
class Part {
    using Frequencies = std::array<uint16_t, 4>;  // of one decision, at several rates

public:
    // `size` of the block, of which the tables' sizes are made, and lengths of a prefix code, for an encoder.
    Part(Coder coder, size_t size, const std::array<uint8_t, 256> &lengths)
        : coder_(std::move(coder)), code_(code_lengths(lengths)), order1_(256 * 256), pairs_(size), skipped_(size) {
        order0_.fill({kEven, kEven, kEven, kEven});
        std::fill_n(order1_.data(), order1_.size(), order0_[0]);
    }

    Coder &coder() { return coder_; }

    // The way down the code's tree to the byte of a run. The pieces of a decision are called one by one, for two parts in turn.
    struct Walk {
        uint32_t bits;  // what is left of the byte's code, from the top
        uint32_t node = 0, path = 1, place = 1;
        uint16_t *pair, *skipped;
        Frequencies *order1;
        int16_t *weights;
        Numbers<8> common;
        Decision<8> decision = {};

        bool open() const { return node < 256; }
    };

    [[gnu::always_inline]] Walk start_byte(uint32_t byte) {
        const auto [bits, length] = code_.code(static_cast<uint8_t>(byte));
        return {.bits = static_cast<uint32_t>(bits) << ((32 - length) & 31),
                .pair = pairs_.find(1),
                .skipped = skipped_.find(1),
                .order1 = order1_.data() + (byte1_ << 8),
                .weights = byte_weights_.of((ranks_ & 3) << 8),
                .common = Numbers<8>::load(byte_weights_.common())};
    }
    [[gnu::always_inline]] void predict(Walk &walk) {
        auto p = Numbers<8>::join(&order0_[walk.node], walk.order1 + walk.node);
        p.template set<3>(walk.pair[walk.place]);
        p.template set<7>(walk.skipped[walk.place]);
        walk.decision.predict(p, walk.weights + 8 * walk.node, walk.common, byte_maps_.of(walk.node));
    }
    [[gnu::always_inline]] int decide(const Walk &walk) {
        return coder_.code(walk.decision.p1(), static_cast<int>(walk.bits >> 31));
    }
    [[gnu::always_inline]] void learn(Walk &walk, int bit) {
        const auto p = walk.decision.learn(bit, walk.weights + 8 * walk.node, walk.common, kByteRate, kByteAdapt.data());
        p.split(&order0_[walk.node], walk.order1 + walk.node);
        walk.pair[walk.place] = p.template get<3>();
        walk.skipped[walk.place] = p.template get<7>();
        walk.bits <<= 1;
        walk.path = walk.path << 1 | static_cast<uint32_t>(bit);
        walk.place = walk.place << 1 | static_cast<uint32_t>(bit);
        walk.node = code_.child(walk.node, static_cast<unsigned>(bit));
        if (walk.place >= Lines::kSize) {  // a line holds five decisions, which are 31 places
            walk.place = 1;
            walk.pair = pairs_.find(walk.path);
            walk.skipped = skipped_.find(walk.path);
        }
    }
    [[gnu::always_inline]] uint32_t end_byte(const Walk &walk) {
        walk.common.store(byte_weights_.common());
        const uint32_t byte = walk.node - 256, rank = byte == byte2_ ? 0 : byte == byte3_ ? 1 : 2;
        ranks_ = ranks_ << 2 | rank;
        byte3_ = rank != 0 ? byte2_ : byte3_;
        byte2_ = byte1_;
        byte1_ = byte;
        pairs_.choose(hash(byte1_ << 8 | byte2_, 0));
        skipped_.choose(hash(byte2_ << 8 | byte3_, 1));
        return byte;
    }

    // The length of the run of that byte.
    struct Length {
        std::array<uint16_t *, 4> lines;
        size_t map;
        Numbers<4> common;
        size_t node = 0;
        Decision<4> decision = {};
    };

    [[gnu::always_inline]] Length start_length() {
        const size_t before = lengths_of_[byte1_];
        return {.lines = {by_byte_.at(byte1_), by_before_.at(before), by_lengths_.at(lengths_ & 511),
                          by_ranks_.at((ranks_ & 63) << 6 | before)},
                .map = (ranks_ & 3) << 3 | (before & 7),
                .common = Numbers<4>::load(length_weights_.common())};
    }
    [[gnu::always_inline]] void predict(Length &length, size_t node, size_t map) {
        length.node = node;
        Numbers<4> p;
        p.template set<0>(length.lines[0][node]);
        p.template set<1>(length.lines[1][node]);
        p.template set<2>(length.lines[2][node]);
        p.template set<3>(length.lines[3][node]);
        length.decision.predict(p, length_weights(node), length.common, length_maps_.of(map));
    }
    [[gnu::always_inline]] int decide(const Length &length, int bit) { return coder_.code(length.decision.p1(), bit); }
    [[gnu::always_inline]] void learn(Length &length, int bit) {
        const size_t node = length.node;
        const auto p = length.decision.learn(bit, length_weights(node), length.common, kLengthRate, kLengthAdapt.data());
        length.lines[0][node] = p.template get<0>();
        length.lines[1][node] = p.template get<1>();
        length.lines[2][node] = p.template get<2>();
        length.lines[3][node] = p.template get<3>();
    }

    // The rest of a length, of which the first decision has said that it is more than 1: the number of its bits, one by one, then
    // the bits below the first.
    uint32_t code_longer(Length &length, uint32_t value) {
        const auto decide_at = [&](size_t node, size_t map, bool bit) {
            predict(length, node, map);
            const int decided = decide(length, bit);
            learn(length, decided);
            return static_cast<uint32_t>(decided);
        };
        const auto bits = static_cast<uint32_t>(std::bit_width(value)) - 1;
        uint32_t coded_bits = 1;
        for (; coded_bits < kMostLengthBits; ++coded_bits) {
            const uint32_t node = std::min(coded_bits, 15u);
            if (decide_at(node, node << 5 | length.map, bits > coded_bits) == 0) break;
        }
        uint32_t coded = 1;
        for (uint32_t k = coded_bits; k-- > 0;) {
            // The two bits below the first have places of their own, by the number of bits; all others share one.
            const uint32_t row = 16 + 3 * (std::min(coded_bits, 5u) - 1);
            const uint32_t node = coded == 1 ? row : coded < 4 ? row + coded - 1 : 31;
            coded = coded << 1 | decide_at(node, 496 + node, (value >> k & 1) != 0);
        }
        return coded;
    }
    [[gnu::always_inline]] void end_length(const Length &state, uint32_t length) {
        state.common.store(length_weights_.common());
        const uint32_t kind = length < 4 ? length - 1 : std::min<uint32_t>(static_cast<uint32_t>(std::bit_width(length)), 7);
        lengths_ = lengths_ << 3 | kind;
        lengths_of_[byte1_] = static_cast<uint8_t>((lengths_of_[byte1_] << 3 | kind) & 63);
    }

private:
    // Codes the lengths of a prefix code, each after its predecessor's.
    std::array<uint8_t, 256> code_lengths(std::array<uint8_t, 256> lengths) {
        std::array<std::array<mixing::AdaptiveProbability, 16>, 16> tree{};
        unsigned before = 0;
        for (uint8_t &length : lengths) {
            unsigned node = 1;
            for (int k = 3; k >= 0; --k) {
                mixing::AdaptiveProbability &p = tree[before][node];
                const int bit = coder_.code(static_cast<uint32_t>(std::clamp(p.p16(), 16, 65520)), length >> k & 1);
                p.update(bit, 30);
                node = node << 1 | static_cast<unsigned>(bit);
            }
            before = length = static_cast<uint8_t>(node & 15);
        }
        return lengths;
    }

    int16_t *length_weights(size_t node) { return length_weights_.of(node << 3 | (lengths_ & 7)); }

    Coder coder_;
    PrefixCode code_;
    uint32_t byte1_ = 0, byte2_ = 0, byte3_ = 0;  // the last three different bytes, latest first
    uint32_t ranks_ = 0;                     // of the last runs, two bits each: was its byte byte2 (0), byte3 (1) or another (2)
    uint32_t lengths_ = 0;                   // classes of the last lengths, three bits each
    std::array<uint8_t, 256> lengths_of_{};  // classes of the last two lengths of each byte

    std::array<Frequencies, 256> order0_;
    HugeArray<Frequencies> order1_;
    HashedLines pairs_, skipped_;
    Weights<8> byte_weights_{3 * 256};
    OutputMaps<256> byte_maps_;

    Lines by_byte_{256}, by_before_{64}, by_lengths_{512}, by_ranks_{64 * 64};
    Weights<4> length_weights_{32 * 8};
    OutputMaps<528> length_maps_;
};

struct Writer {
    WordEncoder stream;
    int code(uint32_t p1, int bit) {
        stream.encode(bit, p1);
        return bit;
    }
};

struct Reader {
    WordDecoder stream;
    [[gnu::always_inline]] int code(uint32_t p1, int) { return stream.decode(p1); }
};

std::vector<uint8_t> encode_part(std::span<const uint8_t> bytes, size_t size) {
    std::array<uint32_t, 256> counts{};
    for (size_t i = 0; i < bytes.size(); ++i) counts[bytes[i]] += i == 0 || bytes[i] != bytes[i - 1];
    const auto part = std::make_unique<Part<Writer>>(Writer{}, size, huffman_lengths(counts));
    for (size_t at = 0; at < bytes.size();) {
        size_t end = at + 1;
        while (end < bytes.size() && bytes[end] == bytes[at]) ++end;
        auto walk = part->start_byte(bytes[at]);
        while (walk.open()) {
            part->predict(walk);
            part->learn(walk, part->decide(walk));
        }
        part->end_byte(walk);
        const auto value = static_cast<uint32_t>(end - at);
        auto length = part->start_length();
        part->predict(length, 0, length.map);
        part->learn(length, part->decide(length, value > 1));
        if (value > 1) part->code_longer(length, value);
        part->end_length(length, value);
        at = end;
    }
    return part->coder().stream.finish();
}

// Decodes a part run by run.
class PartDecoder {
public:
    PartDecoder(std::span<const uint8_t> stream, std::span<uint8_t> bytes, size_t size)
        : part_(std::make_unique<Part<Reader>>(Reader{WordDecoder(stream)}, size, std::array<uint8_t, 256>{})),
          at_(bytes.data()),
          end_(bytes.data() + bytes.size()) {}

    bool open() const { return at_ < end_; }
    Part<Reader> &part() { return *part_; }

    void put(uint32_t byte, uint32_t length) {
        if (length > static_cast<size_t>(end_ - at_)) throw CorruptData("a run is longer than what is left of its block");
        do *at_++ = static_cast<uint8_t>(byte);
        while (--length > 0);
    }
    void finish() { part_->coder().stream.finish(); }

private:
    std::unique_ptr<Part<Reader>> part_;
    uint8_t *at_, *end_;
};

void decode_alone(PartDecoder &decoder) {
    Part<Reader> &part = decoder.part();
    while (decoder.open()) {
        auto walk = part.start_byte(0);
        while (walk.open()) {
            part.predict(walk);
            part.learn(walk, part.decide(walk));
        }
        const uint32_t byte = part.end_byte(walk);
        auto length = part.start_length();
        part.predict(length, 0, length.map);
        const int longer = part.decide(length, 0);
        part.learn(length, longer);
        const uint32_t value = longer != 0 ? part.code_longer(length, 1) : 1;
        part.end_length(length, value);
        decoder.put(byte, value);
    }
    decoder.finish();
}

// A run of each at a time, decision by decision, so that each decision's latency is the other's time to work.
void decode_both(PartDecoder &first, PartDecoder &second) {
    Part<Reader> &a = first.part(), &b = second.part();
    while (first.open() && second.open()) {
        auto walk_a = a.start_byte(0), walk_b = b.start_byte(0);
        do {
            a.predict(walk_a), b.predict(walk_b);
            const int bit_a = a.decide(walk_a), bit_b = b.decide(walk_b);
            a.learn(walk_a, bit_a), b.learn(walk_b, bit_b);
        } while (walk_a.open() && walk_b.open());
        while (walk_a.open()) a.predict(walk_a), a.learn(walk_a, a.decide(walk_a));
        while (walk_b.open()) b.predict(walk_b), b.learn(walk_b, b.decide(walk_b));
        const uint32_t byte_a = a.end_byte(walk_a), byte_b = b.end_byte(walk_b);
        auto length_a = a.start_length(), length_b = b.start_length();
        a.predict(length_a, 0, length_a.map), b.predict(length_b, 0, length_b.map);
        const int longer_a = a.decide(length_a, 0), longer_b = b.decide(length_b, 0);
        a.learn(length_a, longer_a), b.learn(length_b, longer_b);
        const uint32_t value_a = longer_a != 0 ? a.code_longer(length_a, 1) : 1;
        const uint32_t value_b = longer_b != 0 ? b.code_longer(length_b, 1) : 1;
        a.end_length(length_a, value_a), b.end_length(length_b, value_b);
        first.put(byte_a, value_a), second.put(byte_b, value_b);
    }
    decode_alone(first);
    decode_alone(second);
}

// Where the run in the middle starts; 0 where there is only one.
size_t middle(std::span<const uint8_t> bytes) {
    size_t runs = 0;
    for (size_t i = 1; i < bytes.size(); ++i) runs += bytes[i] != bytes[i - 1];
    size_t at = 0;
    for (size_t left = (runs + 1) / 2; left > 0;) {
        ++at;
        left -= bytes[at] != bytes[at - 1];
    }
    return at;
}

void put_u32(std::vector<uint8_t> &stream, size_t x) {
    for (int shift = 0; shift < 32; shift += 8) stream.push_back(static_cast<uint8_t>(x >> shift));
}

size_t get_u32(const uint8_t *from) {
    return from[0] | static_cast<size_t>(from[1]) << 8 | static_cast<size_t>(from[2]) << 16 | static_cast<size_t>(from[3]) << 24;
}

}  // namespace

std::vector<uint8_t> encode_runs(std::span<const uint8_t> bytes) {
    if (bytes.size() < kTwoParts) return encode_part(bytes, bytes.size());
    const size_t split = middle(bytes);
    const std::vector<uint8_t> first = split > 0 ? encode_part(bytes.first(split), bytes.size()) : std::vector<uint8_t>();
    const std::vector<uint8_t> second = encode_part(bytes.subspan(split), bytes.size());
    std::vector<uint8_t> stream;
    put_u32(stream, split);
    put_u32(stream, first.size());
    stream.insert(stream.end(), first.begin(), first.end());
    stream.insert(stream.end(), second.begin(), second.end());
    return stream;
}

void decode_runs(std::span<const uint8_t> stream, std::span<uint8_t> bytes) {
    if (bytes.empty()) throw CorruptData("a block without runs");
    size_t split = 0, first_size = 0;
    if (bytes.size() >= kTwoParts) {
        if (stream.size() < kHead) throw CorruptData("a sorted block ends before its runs");
        split = get_u32(stream.data());
        first_size = get_u32(stream.data() + 4);
        stream = stream.subspan(kHead);
        if (split >= bytes.size() || first_size > stream.size() || (split == 0 && first_size != 0))
            throw CorruptData("runs that are divided impossibly");
    }
    PartDecoder last(stream.subspan(first_size), bytes.subspan(split), bytes.size());
    if (split == 0) return decode_alone(last);
    PartDecoder first(stream.first(first_size), bytes.first(split), bytes.size());
    decode_both(first, last);
}

}  // namespace laconic::text
