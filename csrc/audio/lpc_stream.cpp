#include "audio/lpc_stream.h"

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <memory>

#include "audio/lpc.h"
#include "audio/residual_adaptive.h"
#include "audio/residual_rans.h"
#include "entropy/bit_io.h"

namespace laconic::audio {
namespace {

// What is predicted in place of a pair (left, right): itself, or one of the two and the difference, or middle and difference.
// Differences and middles are modulo 2^32: middle = right + (difference >> 1).
enum Stereo : uint32_t { kLeftRight = 0, kLeftSide = 1, kSideRight = 2, kMiddleSide = 3 };

int32_t minus(int32_t a, int32_t b) { return static_cast<int32_t>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b)); }
int32_t plus(int32_t a, int32_t b) { return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b)); }

using Signal = std::array<int32_t, kMaxOrder + kMaxBlock>;  // a block with the samples before it

// Copies x[first - kMaxOrder, first + n), with zeros before the start.
void load(const int32_t *x, size_t first, size_t n, Signal &signal) {
    const size_t history = std::min(first, kMaxOrder);
    std::fill(signal.begin(), signal.begin() + (kMaxOrder - history), 0);
    std::copy(x + first - history, x + first + n, signal.begin() + (kMaxOrder - history));
}

struct Pair {
    Signal left, right, middle, side;

    void add_middle_side(size_t count) {
        for (size_t i = 0; i < count; ++i) {
            side[i] = minus(left[i], right[i]);
            middle[i] = plus(right[i], side[i] >> 1);
        }
    }
    Signal &first_of(Stereo form) { return form == kMiddleSide ? middle : form == kSideRight ? side : left; }
    Signal &second_of(Stereo form) { return form == kLeftSide || form == kMiddleSide ? side : right; }
    // Left and right of the block from the two signals of a form.
    void undo(Stereo form, size_t n) {
        for (size_t i = kMaxOrder; i < kMaxOrder + n; ++i) {
            if (form == kMiddleSide) right[i] = minus(middle[i], side[i] >> 1);
            if (form == kLeftSide) right[i] = minus(left[i], side[i]);
            if (form != kLeftRight && form != kLeftSide) left[i] = plus(right[i], side[i]);
        }
    }
};

// Coefficients in groups of 8, each with the width of its largest.
constexpr size_t kGroup = 8;

void write_predictor(const Predictor &p, entropy::BitWriter &bits) {
    bits.put(p.order, 6);
    if (p.order == 0) return;
    bits.put(p.shift, 5);
    for (size_t first = 0; first < p.order; first += kGroup) {
        const size_t last = std::min<size_t>(first + kGroup, p.order);
        uint32_t any = 0;
        for (size_t k = first; k < last; ++k) any |= entropy::zigzag(p.coefficients[k]);
        const auto width = static_cast<unsigned>(std::bit_width(any));
        bits.put(width, 4);
        for (size_t k = first; k < last; ++k) bits.put(entropy::zigzag(p.coefficients[k]), width);
    }
}

Predictor read_predictor(entropy::BitReader &bits) {
    Predictor p;
    p.order = bits.get(6);
    if (p.order > kMaxOrder) throw CorruptData("audio: a predictor's order is too high");
    if (p.order == 0) return p;
    p.shift = bits.get(5);
    if (p.shift > kMaxLpcShift) throw CorruptData("audio: a predictor's shift is too high");
    for (size_t first = 0; first < p.order; first += kGroup) {
        const unsigned width = bits.get(4);
        for (size_t k = first; k < std::min<size_t>(first + kGroup, p.order); ++k)
            p.coefficients[k] = entropy::unzigzag(bits.get(width));
    }
    return p;
}

constexpr size_t kMaxPredictorBytes = (6 + 5 + kMaxOrder / kGroup * 4 + kMaxOrder * 15) / 8 + 1;

constexpr unsigned kAnyForm = 15;  // a set of forms, one bit each

// Predictors for the signals of a pair that the forms of a set need.
class PairAnalysis {
public:
    PairAnalysis(const Pair &pair, size_t n, unsigned forms) : forms_(forms) {
        const Signal *const signals[] = {&pair.left, &pair.right, &pair.middle, &pair.side};
        for (unsigned s = 0; s < 4; ++s)
            for (unsigned f = 0; f < 4; ++f)
                if ((forms >> f & 1) != 0 && (kFirst[f] == s || kSecond[f] == s)) {
                    found_[s] = analyse(signals[s]->data() + kMaxOrder, n, kMaxOrder);
                    break;
                }
    }
    const Analysis &first_of(unsigned form) const { return found_[kFirst[form]]; }
    const Analysis &second_of(unsigned form) const { return found_[kSecond[form]]; }
    double bits(unsigned form) const { return first_of(form).bits + second_of(form).bits; }
    Stereo best() const {
        int best = -1;
        for (int f = 0; f < 4; ++f)
            if ((forms_ >> f & 1) != 0 && (best < 0 || bits(static_cast<unsigned>(f)) < bits(static_cast<unsigned>(best))))
                best = f;
        return static_cast<Stereo>(best);
    }

private:
    static constexpr unsigned kFirst[] = {0, 0, 3, 2}, kSecond[] = {1, 3, 1, 3};
    unsigned forms_;
    std::array<Analysis, 4> found_{};
};

size_t blocks_of(size_t n, size_t block) { return (n + block - 1) / block; }

// The length of blocks, and for each pair of channels a set of stereo forms to choose from.
struct Plan {
    unsigned block_bits;
    std::vector<unsigned> forms;
};

// Tries lengths and forms on a part of the samples. Adaptive filters should not see the signals change, so for them each pair
// gets the form that is best on the whole; they also make up for what longer blocks lose.
Plan make_plan(const std::vector<int32_t *> &channels, size_t n, Residuals stage, Pair &pair) {
    const bool adaptive = stage == Residuals::adaptive;
    const unsigned shortest = adaptive ? 13 : 11, longest = adaptive ? 14 : 13;
    const size_t pairs = channels.size() / 2, part = size_t{1} << longest, step = part * (adaptive ? 4 : 8);
    Plan best{12, std::vector<unsigned>(pairs, kAnyForm)};
    if (n < part / 2) return best;
    double least = 0;
    for (unsigned block_bits = shortest; block_bits <= longest; ++block_bits) {
        Plan plan{block_bits, {}};
        double total = 0;
        for (size_t c = 0; c < channels.size(); c += 2) {
            double bits[4] = {};
            for (size_t start = 0; start < n; start += step)
                for (size_t first = start; first < std::min(n, start + part); first += size_t{1} << block_bits) {
                    const size_t m = std::min(size_t{1} << block_bits, n - first);
                    load(channels[c], first, m, pair.left);
                    if (c + 1 == channels.size()) {
                        bits[0] += analyse(pair.left.data() + kMaxOrder, m, kMaxOrder).bits;
                        continue;
                    }
                    load(channels[c + 1], first, m, pair.right);
                    pair.add_middle_side(kMaxOrder + m);
                    const PairAnalysis found(pair, m, kAnyForm);
                    if (adaptive)
                        for (unsigned f = 0; f < 4; ++f) bits[f] += found.bits(f);
                    else
                        bits[0] += found.bits(found.best());
                }
            const bool is_pair = c + 1 < channels.size();
            const double *const chosen = is_pair && adaptive ? std::min_element(bits, bits + 4) : bits;
            if (is_pair) plan.forms.push_back(adaptive ? 1u << (chosen - bits) : kAnyForm);
            total += *chosen;
        }
        if (block_bits == shortest || total < least) {
            least = total;
            best = plan;
        }
    }
    return best;
}

}  // namespace

void encode_lpc(const std::vector<int32_t *> &channels, size_t n, Residuals stage, entropy::ByteWriter &out) {
    const size_t count = channels.size();
    std::vector<std::vector<int32_t>> residuals(count, std::vector<int32_t>(n));
    const auto pair_memory = std::make_unique<Pair>();
    Pair &pair = *pair_memory;
    const Plan plan = make_plan(channels, n, stage, pair);
    const size_t block = size_t{1} << plan.block_bits;
    out.put(static_cast<uint8_t>(plan.block_bits));
    std::vector<uint8_t> side_info(blocks_of(n, block) * (count * kMaxPredictorBytes + count) + 8);
    entropy::BitWriter bits(side_info.data(), side_info.size());
    const auto code = [&](Signal &signal, const Analysis &found, size_t channel, size_t first, size_t m) {
        write_predictor(found.predictor, bits);
        predict_residual(found.predictor, signal.data() + kMaxOrder, m, residuals[channel].data() + first);
    };
    for (size_t first = 0; first < n; first += block) {
        const size_t m = std::min(block, n - first);
        for (size_t c = 0; c < count; c += 2) {
            load(channels[c], first, m, pair.left);
            if (c + 1 == count) {
                code(pair.left, analyse(pair.left.data() + kMaxOrder, m, kMaxOrder), c, first, m);
                continue;
            }
            load(channels[c + 1], first, m, pair.right);
            pair.add_middle_side(kMaxOrder + m);
            const PairAnalysis found(pair, m, plan.forms[c / 2]);
            const Stereo best = found.best();
            bits.put(best, 2);
            code(pair.first_of(best), found.first_of(best), c, first, m);
            code(pair.second_of(best), found.second_of(best), c + 1, first, m);
        }
    }
    side_info.resize(bits.finish());
    out.put_sized(side_info);
    std::vector<const int32_t *> pointers;
    for (const auto &r : residuals) pointers.push_back(r.data());
    stage == Residuals::rans ? encode_residuals(pointers, n, out) : encode_adaptive(pointers, n, out);
}

void decode_lpc(const std::vector<int32_t *> &channels, size_t n, Residuals stage, entropy::ByteReader &in) {
    const size_t count = channels.size();
    const unsigned block_bits = in.get();
    if (block_bits < kMinBlockBits || block_bits > kMaxBlockBits) throw CorruptData("audio: a block's length leaves its range");
    const size_t block = size_t{1} << block_bits;
    const entropy::ByteReader side_info = in.get_sized();
    entropy::BitReader bits(side_info.position(), side_info.remaining());
    stage == Residuals::rans ? decode_residuals(channels, n, in) : decode_adaptive(channels, n, in);
    const auto pair_memory = std::make_unique<Pair>();
    Pair &pair = *pair_memory;
    const auto restore = [&](Signal &signal, const int32_t *residual, size_t m) {
        std::copy(residual, residual + m, signal.begin() + kMaxOrder);
        restore_samples(read_predictor(bits), signal.data() + kMaxOrder, m);
    };
    for (size_t first = 0; first < n; first += block) {
        const size_t m = std::min(block, n - first);
        for (size_t c = 0; c < count; c += 2) {
            load(channels[c], first, 0, pair.left);
            const auto form = c + 1 < count ? static_cast<Stereo>(bits.get(2)) : kLeftRight;
            if (c + 1 < count) {
                load(channels[c + 1], first, 0, pair.right);
                pair.add_middle_side(kMaxOrder);
            }
            restore(pair.first_of(form), channels[c] + first, m);
            if (c + 1 < count) {
                restore(pair.second_of(form), channels[c + 1] + first, m);
                pair.undo(form, m);
                std::copy_n(pair.right.begin() + kMaxOrder, m, channels[c + 1] + first);
            }
            std::copy_n(pair.left.begin() + kMaxOrder, m, channels[c] + first);
        }
    }
    if (bits.finish() != side_info.remaining()) throw CorruptData("audio: bytes are left after the predictors");
}

}  // namespace laconic::audio
