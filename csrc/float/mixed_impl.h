// The model of method `mixed`, for any kernel of the mixers; for mixed.cpp alone.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <span>
#include <vector>

#include "entropy/binary_coder.h"
#include "entropy/error.h"
#include "float/mixed_format.h"
#include "mixing/large_array.h"
#include "mixing/mixer.h"
#include "mixing/probability.h"

namespace laconic::floats {
namespace {

constexpr size_t kLanes = 16;  // contexts of a decision
constexpr uint32_t kSlow = 1023, kFast = 60;
constexpr size_t kScales = 64;  // a set of mixer weights for each of so many scales of the neighbourhood

using LaneContexts = std::array<uint32_t, kLanes>;

// Symbols of `depth` bits, high bit first: each decision's probability in kLanes contexts, mixed.
template <class Kernel>
class SymbolMixer {
public:
    // rows[l]: how many values context l takes.
    SymbolMixer(unsigned depth, const LaneContexts &rows)
        : depth_(depth), words_(total(rows) << depth), mixers_({size_t{1} << depth, kScales * 8, kScales * 8, 8}, {8}, kWeight) {
        uint32_t start = 0;
        for (size_t l = 0; l < kLanes; ++l) start_[l] = start << depth, start += rows[l];
        limits_.fill(kSlow);
        limits_[1] = kFast;
    }

    // `symbol` is ignored when `step` decodes: step(bit, P(1) in 1/65536) returns the bit.
    template <class Step>
    uint32_t code(const LaneContexts &contexts, size_t scale, size_t other_scale, uint32_t symbol, Step &&step) {
        using namespace mixing;
        uint32_t node = 1;
        for (size_t l = 0; l < kLanes; ++l) rows_[l] = words_.data() + start_[l] + (contexts[l] << depth_);
        for (unsigned k = depth_; k-- > 0;) {
            // Tables begin as zeros, probabilities as one half.
            for (size_t l = 0; l < kLanes; ++l) lanes_[l] = rows_[l][node] ^ kUndecided;
            Kernel::template logits<kLanes>(lanes_.data(), mixers_.inputs());
            mixers_.select(0, node);
            mixers_.select(1, scale * 8 + k);
            mixers_.select(2, other_scale * 8 + k);
            mixers_.select(3, k);
            mixers_.select_final(0, k);
            const uint32_t p1 = static_cast<uint32_t>(probability_of(mixers_.mix()));
            const int bit = step((symbol >> k & 1) != 0, p1) ? 1 : 0;
            mixers_.train(bit, rate_, rate_);
            Kernel::template adapt<kLanes>(lanes_.data(), limits_.data(), bit);
            for (size_t l = 0; l < kLanes; ++l) rows_[l][node] = lanes_[l] ^ kUndecided;
            node = node << 1 | static_cast<uint32_t>(bit);
        }
        if (rate_ > kLastRate && ++coded_ % kCoolEvery == 0) --rate_;
        return node - (1u << depth_);
    }

private:
    static constexpr int16_t kWeight = mixing::kWeightOne / 6;
    static constexpr int32_t kFirstRate = 80, kLastRate = 25;  // as good as it gets on weights of 8 and 16 bits
    static constexpr uint32_t kCoolEvery = 512;

    static size_t total(const LaneContexts &rows) {
        size_t sum = 0;
        for (const uint32_t count : rows) sum += count;
        return sum;
    }

    unsigned depth_;
    std::array<uint32_t, kLanes> start_;
    mixing::LargeArray<uint32_t> words_;
    mixing::MixerLayers<2 * kLanes, 4, Kernel> mixers_;
    std::array<uint32_t *, kLanes> rows_;
    alignas(64) std::array<uint32_t, kLanes> lanes_, limits_;
    int32_t rate_ = kFirstRate;
    uint32_t coded_ = 0;
};

// Scales of the elements so far, and what is made of them.
class Scales {
public:
    Scales(size_t n, size_t stride) : scales_(n + kBefore), stride_(stride), columns_(stride) {}

    // Sums over neighbours of the element that comes next, in 1/2 (up to 127).
    uint32_t last4() const { return four_ >> 1; }
    uint32_t last16() const { return sixteen_ >> 3; }
    uint32_t last64() const { return sixty_four_ >> 5; }
    uint32_t last256() const { return many_ >> 7; }
    uint32_t above() const { return above_ >> 3; }
    uint32_t column_soon() const { return columns_[column_].soon >> 7; }
    uint32_t column_late() const { return columns_[column_].late >> 7; }
    uint32_t before(size_t distance) const { return scales_[at_ - distance]; }
    uint32_t up() const { return at_ - kBefore >= stride_ ? scales_[at_ - stride_] : 0; }
    uint32_t place() const { return static_cast<uint32_t>(uint64_t{column_} * 64 / stride_); }

    void append(uint32_t scale) {
        const auto moved = [&](uint32_t sum, size_t length) { return sum + scale - scales_[at_ - length]; };
        four_ = moved(four_, 4), sixteen_ = moved(sixteen_, 16), sixty_four_ = moved(sixty_four_, 64), many_ = moved(many_, 256);
        Column &column = columns_[column_];
        const int32_t target = static_cast<int32_t>(scale << 8);
        column.soon += static_cast<uint32_t>((target - static_cast<int32_t>(column.soon)) >> 2);
        column.late += static_cast<uint32_t>((target - static_cast<int32_t>(column.late)) / 16);
        scales_[at_++] = static_cast<uint8_t>(scale);
        column_ = column_ + 1 == stride_ ? 0 : column_ + 1;
        // The 16 around the element above the next one: those before it by 7 and after it by 8.
        if (at_ - kBefore + 8 >= stride_) above_ += scales_[at_ + 8 - stride_];
        if (at_ - kBefore >= stride_ + 8) above_ -= scales_[at_ - stride_ - 8];
    }

private:
    static constexpr size_t kBefore = 256;
    struct Column {
        uint32_t soon = 0, late = 0;
    };

    std::vector<uint8_t> scales_;
    size_t stride_, at_ = kBefore, column_ = 0;
    std::vector<Column> columns_;
    uint32_t four_ = 0, sixteen_ = 0, sixty_four_ = 0, many_ = 0, above_ = 0;
};

template <class Kernel, class Step>
void code_elements(const MixedFormat &format, size_t n, uint8_t *first, uint8_t *second, Step &&step) {
    SymbolMixer<Kernel> firsts(format.depth(), {1, 1, 128, 128, 128, 128, 128, 128, 1024, 1024, 64, 64, 4096, 128, 512, 64});
    const bool wide = format.second_bits == 8;
    SymbolMixer<Kernel> seconds(
        std::max<unsigned>(1, format.second_bits),
        {1, 1, 256, wide ? 256u : 4096u, 128, wide ? 256u : 4096u, wide ? 256u : 1u, wide ? 256u : 1u, 1, 1, 1, 1, 1, 1, 1, 1});
    const std::array<uint16_t, 256> levels = format.levels();
    Scales s(n, format.stride);
    for (size_t i = 0; i < n; ++i) {
        const uint32_t w16 = s.last16(), above = s.above(), late = s.column_late(), soon = s.column_soon();
        const LaneContexts contexts{0,
                                    0,
                                    w16,
                                    s.last64(),
                                    s.last4(),
                                    above,
                                    soon,
                                    late,
                                    w16 / 4 * 32 + late / 4,
                                    w16 / 4 * 32 + above / 4,
                                    s.before(1),
                                    s.up(),
                                    s.before(1) / 4 * 256 + s.up() / 4 * 16 + s.before(2) / 4,
                                    s.last256(),
                                    soon / 4 * 16 + s.last4() / 8,
                                    s.place()};
        const uint32_t rank = firsts.code(contexts, w16 / 2, late / 2, format.rank_of(first[i]), step);
        first[i] = format.value_of(rank);
        uint32_t level = levels[first[i]];
        if (format.second_bits != 0) {
            const unsigned low = 8 - format.second_bits;
            const uint32_t before = wide && i > 0 ? second[i - 1] : 0,
                           up = wide && i >= format.stride ? second[i - format.stride] : 0;
            const LaneContexts below{
                0, 0, rank, wide ? up : rank * 16 + w16 / 8, w16, wide ? before : rank * 16 + late / 8, before, up, 0, 0, 0, 0, 0,
                0, 0, 0};
            const uint32_t top = seconds.code(below, w16 / 2, rank / 4, second[i] >> low, step);
            second[i] = static_cast<uint8_t>(top << low | (second[i] & ((1u << low) - 1)));
            level += top << 2 >> format.second_bits;
        }
        s.append(format.scale_of(level));
    }
}

template <class Kernel>
std::vector<uint8_t> encode_with(const MixedFormat &format, size_t n, uint8_t *first, uint8_t *second) {
    BinaryEncoder coder;
    code_elements<Kernel>(format, n, first, second, [&](bool bit, uint32_t p) { return coder.encode(bit, p), bit; });
    return coder.finish();
}

template <class Kernel>
void decode_with(const MixedFormat &format, std::span<const uint8_t> stream, size_t n, uint8_t *first, uint8_t *second) {
    BinaryDecoder coder(stream);
    code_elements<Kernel>(format, n, first, second, [&](bool, uint32_t p) { return coder.decode(p); });
    coder.finish();
}

}  // namespace
}  // namespace laconic::floats
