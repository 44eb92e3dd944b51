#include "text/bwt_coder.h"

#include <algorithm>
#include <array>
#include <bit>

#include "entropy/binary_coder.h"
#include "entropy/error.h"
#include "mixing/apm.h"
#include "mixing/logistic.h"
#include "mixing/state_map.h"
#include "text/huge_array.h"
#include "text/prefix_code.h"
#include "text/small_mixer.h"

namespace laconic::text {

namespace {

constexpr int kLeast = 16;  // of 65536: no decision is taken for granted
constexpr uint16_t kEven = 32768;

constexpr uint16_t rate(int shift) { return static_cast<uint16_t>(65536 >> shift); }

// Rates were tuned on the first MB of enwik8, alice29, urls.10K and slices of osdb and dickens.
constexpr int32_t kByteRate = 50, kLengthRate = 25;
// Several rates of forgetting for one context: the transform's statistics drift from context to context, or change at once.
constexpr std::array<uint16_t, kMixed> kByteAdapt = {rate(1), rate(4), rate(5), rate(2), rate(4), rate(6), rate(4), rate(4)};
constexpr std::array<uint16_t, kMixed> kLengthAdapt = {rate(5), rate(5), rate(5), rate(5), rate(5), rate(5), rate(3), rate(3)};

uint32_t hash(uint32_t a, uint32_t b) {
    uint32_t h = a * 0x9E3779B1u ^ (b + 0x7F4A7C15u) * 0x85EBCA6Bu;
    h = (h ^ h >> 15) * 0x2C1B3C6Du;
    return h ^ h >> 13;
}

// Lines of 32 probabilities (a cache line), found by a hash; contexts that share one by chance share its statistics.
class Lines {
public:
    static constexpr size_t kSize = 32;

    explicit Lines(unsigned bits) : shift_(32 - bits), words_(kSize << bits) { std::fill_n(words_.data(), words_.size(), kEven); }
    uint16_t *find(uint32_t hash) { return words_.data() + kSize * (hash >> shift_); }
    void prefetch(uint32_t hash) { __builtin_prefetch(find(hash)); }

private:
    unsigned shift_;
    HugeArray<uint16_t> words_;
};

// What the last runs were.
struct Past {
    uint32_t byte1 = 0, byte2 = 0, byte3 = 0;        // the last three different bytes, latest first
    uint32_t ranks = 0;                              // of the last four runs: was its byte byte2 (0), byte3 (1) or another (2)
    uint32_t length1 = 0, length2 = 0, length3 = 0;  // classes of the last lengths
    std::array<uint8_t, 256> lengths{};              // classes of the last two lengths of each byte

    static uint32_t length_class(uint32_t length) {
        return length < 4 ? length - 1 : std::min<uint32_t>(static_cast<uint32_t>(std::bit_width(length)), 7);
    }

    void add_byte(uint32_t byte) {
        const uint32_t rank = byte == byte2 ? 0 : byte == byte3 ? 1 : 2;
        ranks = (ranks << 2 | rank) & 0xff;
        if (rank != 0) byte3 = byte2;
        byte2 = byte1;
        byte1 = byte;
    }
    void add_length(uint32_t length) {
        length3 = length2;
        length2 = length1;
        length1 = length_class(length);
        lengths[byte1] = static_cast<uint8_t>((lengths[byte1] << 3 | length1) & 63);
    }
};

// The decisions, each with its probability: the same for the encoder and the decoder. Coder::code(p1, bit) returns the bit, which
// a decoder takes from its stream.
template <class Coder>
class RunModel {
public:
    // `size` of the block, of which the tables' sizes are made.
    RunModel(Coder &coder, size_t size)
        : coder_(coder),
          order1_(256 * 256),
          pairs_(line_bits(size, 16)),
          skipped_(line_bits(size, 16)),
          lengths_(line_bits(size, 14)) {
        order0_.fill({kEven, kEven, kEven});
        std::fill_n(order1_.data(), order1_.size(), order0_[0]);
    }

    // Codes the lengths of a prefix code, each after its predecessor's.
    std::array<uint8_t, 256> code_lengths(std::array<uint8_t, 256> lengths) {
        std::array<std::array<mixing::AdaptiveProbability, 16>, 16> tree{};
        unsigned before = 0;
        for (uint8_t &length : lengths) {
            unsigned node = 1;
            for (int k = 3; k >= 0; --k) {
                mixing::AdaptiveProbability &p = tree[before][node];
                const int bit = coder_.code(std::clamp(p.p16(), kLeast, 65536 - kLeast), length >> k & 1);
                p.update(bit, 30);
                node = node << 1 | static_cast<unsigned>(bit);
            }
            before = length = static_cast<uint8_t>(node & 15);
        }
        return lengths;
    }

    // Codes the byte of the next run.
    uint32_t code_byte(const PrefixCode &code, uint32_t byte) {
        const auto [bits, length] = code.code(static_cast<uint8_t>(byte));
        const size_t recent = past_.ranks & 15;
        const size_t novel = recent > 3 ? 256 : 0;
        const Contexts contexts = next_;
        uint16_t *pair = nullptr, *skipped = nullptr;
        uint32_t path = 1, place = 1;
        unsigned node = 0;
        for (walked_ = 0; node < 256; ++walked_) {
            if (walked_ % 5 == 0) {  // a line holds five decisions, which are 31 places
                pair = pairs_.find(contexts.pair + path * kPathFactor);
                skipped = skipped_.find(contexts.skipped + path * kPathFactor);
                place = 1;
            }
            Frequencies &f0 = order0_[node], &f1 = order1_[past_.byte1 << 8 | node];
            const Places places = {&f0[0], &f0[1], &f0[2], &f1[0], &f1[1], &f1[2], pair + place, skipped + place};
            const int mixed = byte_mixer_.mix(places, recent * 256 + node, past_.byte1);
            const int bit = code_mixed(mixed, byte_apm_, novel + node, bits >> ((length - 1 - walked_) & 15) & 1);
            byte_mixer_.update(places, bit);
            walk_[walked_] = static_cast<uint16_t>(node << 1 | static_cast<unsigned>(bit));
            path = path << 1 | static_cast<uint32_t>(bit);
            place = place << 1 | static_cast<uint32_t>(bit);
            node = code.child(node, static_cast<unsigned>(bit));
        }
        past_.add_byte(node - 256);
        next_ = {hash(past_.byte1 << 8 | past_.byte2, 0), hash(past_.byte2 << 8 | past_.byte3, 1)};
        pairs_.prefetch(next_.pair + kPathFactor);
        skipped_.prefetch(next_.skipped + kPathFactor);
        return node - 256;
    }

    // Codes the length of that run, 1 .. most: the number of its bits, one by one, then the bits below the first.
    uint32_t code_length(uint32_t length, uint32_t most) {
        const uint32_t byte = past_.byte1, before = past_.lengths[byte];
        const std::array<uint16_t *, kMixed> lines = {
            lengths_.find(hash(byte, 2)),
            lengths_.find(hash(byte << 5 | past_.length1 << 2 | (past_.ranks & 3), 3)),
            lengths_.find(hash(past_.length1 | past_.length2 << 3 | past_.length3 << 6, 4)),
            lengths_.find(hash(byte << 6 | before, 5)),
            lengths_.find(hash(byte << 8 | past_.byte2, 6)),
            lengths_.find(hash(past_.ranks << 6 | before, 7)),
            quick_lengths_.data() + byte * Lines::kSize,
            quick_lengths_.data() + (256 + before) * Lines::kSize,
        };
        const size_t apm_context = (past_.ranks & 3) << 3 | (before & 7);
        const auto decide = [&](uint32_t node, size_t apm, int bit) {
            Places places;
            for (size_t i = 0; i < kMixed; ++i) places[i] = lines[i] + node;
            bit = code_mixed(length_mixer_.mix(places, node << 3 | past_.length1, byte), length_apm_, apm, bit);
            length_mixer_.update(places, bit);
            return bit;
        };
        const uint32_t bits = static_cast<uint32_t>(std::bit_width(length)) - 1;
        const uint32_t most_bits = static_cast<uint32_t>(std::bit_width(most)) - 1;
        uint32_t coded_bits = 0;
        for (; coded_bits < most_bits; ++coded_bits) {
            const uint32_t node = std::min(coded_bits, 15u);
            if (decide(node, node << 5 | apm_context, bits > coded_bits) == 0) break;
        }
        uint32_t value = 1;
        for (uint32_t k = coded_bits; k-- > 0;) {
            // The two bits below the first have places of their own, by the number of bits; all others share one.
            const uint32_t row = 16 + 3 * (std::min(coded_bits, 5u) - 1);
            const uint32_t node = value == 1 ? row : value < 4 ? row + value - 1 : 31;
            value = value << 1 | static_cast<uint32_t>(decide(node, 496 + node, length >> k & 1));
        }
        if (value > 1)  // one frequency counts bytes rather than runs, a little
            for (unsigned i = 0; i < walked_; ++i) {
                uint16_t &p = order0_[walk_[i] >> 1][1];
                p = static_cast<uint16_t>(p + (((walk_[i] & 1 ? 65535 : 0) - p) >> 4));
            }
        past_.add_length(value);
        return value;
    }

private:
    static constexpr uint32_t kPathFactor = 0x3D4D51CBu;
    using Frequencies = std::array<uint16_t, 3>;

    static unsigned line_bits(size_t size, int most) {
        return static_cast<unsigned>(std::clamp(static_cast<int>(std::bit_width(size)) - 4, 8, most));
    }

    struct Contexts {
        uint32_t pair = 0, skipped = 0;
    };

    int code_mixed(int mixed, mixing::ApmMap &apm, size_t context, int bit) {
        const int refined = apm.refine(mixed, context);
        bit = coder_.code(std::clamp((mixing::squash(mixed) + refined) >> 1, kLeast, 65536 - kLeast), bit);
        apm.update(bit, 6);
        return bit;
    }

    Coder &coder_;
    Past past_;
    Contexts next_;
    std::array<uint16_t, PrefixCode::kLongest> walk_{};  // nodes and decisions of the last byte
    unsigned walked_ = 0;

    std::array<Frequencies, 256> order0_;
    HugeArray<Frequencies> order1_;
    Lines pairs_, skipped_;
    SmallMixer byte_mixer_{16 * 256, 256, kByteRate, kByteAdapt};
    mixing::ApmMap byte_apm_{512};

    Lines lengths_;
    std::vector<uint16_t> quick_lengths_ = std::vector<uint16_t>((256 + 64) * Lines::kSize, kEven);
    SmallMixer length_mixer_{32 * 8, 256, kLengthRate, kLengthAdapt};
    mixing::ApmMap length_apm_{528};
};

struct Writer {
    BinaryEncoder coder;
    int code(int p1, int bit) {
        coder.encode(bit != 0, static_cast<uint32_t>(p1));
        return bit;
    }
};

struct Reader {
    BinaryDecoder coder;
    int code(int p1, int) { return coder.decode(static_cast<uint32_t>(p1)) ? 1 : 0; }
};

}  // namespace

std::vector<uint8_t> encode_runs(std::span<const uint8_t> bytes) {
    Writer writer;
    RunModel<Writer> model(writer, bytes.size());
    std::array<uint32_t, 256> counts{};
    for (size_t i = 0; i < bytes.size(); ++i) counts[bytes[i]] += i == 0 || bytes[i] != bytes[i - 1];
    const PrefixCode code(model.code_lengths(huffman_lengths(counts)));
    for (size_t at = 0; at < bytes.size();) {
        size_t end = at + 1;
        while (end < bytes.size() && bytes[end] == bytes[at]) ++end;
        model.code_byte(code, bytes[at]);
        model.code_length(static_cast<uint32_t>(end - at), static_cast<uint32_t>(bytes.size() - at));
        at = end;
    }
    return writer.coder.finish();
}

void decode_runs(std::span<const uint8_t> stream, std::span<uint8_t> bytes) {
    Reader reader{BinaryDecoder(stream)};
    RunModel<Reader> model(reader, bytes.size());
    const PrefixCode code(model.code_lengths({}));
    for (size_t at = 0; at < bytes.size();) {
        const uint32_t byte = model.code_byte(code, 0);
        const uint32_t length = model.code_length(1, static_cast<uint32_t>(bytes.size() - at));
        if (length > bytes.size() - at) throw CorruptData("a run is longer than what is left of its block");
        std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), length, static_cast<uint8_t>(byte));
        at += length;
    }
    reader.coder.finish();
}

}  // namespace laconic::text
