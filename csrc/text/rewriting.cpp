#include "text/rewriting.h"

#include <algorithm>
#include <vector>

#include "entropy/error.h"
#include "text/sorted_block.h"

namespace laconic::text {

namespace {

constexpr size_t kOperand = 4;

uint32_t load(const uint8_t *at, size_t width) {
    uint32_t x = 0;
    for (size_t k = 0; k < width; ++k) x |= uint32_t{at[k]} << 8 * k;
    return x;
}

void store(uint8_t *at, uint32_t x, size_t width) {
    for (size_t k = 0; k < width; ++k) at[k] = static_cast<uint8_t>(x >> 8 * k);
}

// Differences modulo 256^width: small ones of either sign become small numbers, 0, -1, 1, -2 ... as 0, 1, 2, 3 ...
uint32_t folded(uint32_t difference, size_t width) {
    const uint32_t mask = ~uint32_t{0} >> (32 - 8 * width), d = difference & mask;
    return (d << 1 & mask) ^ (d >> (8 * width - 1) != 0 ? mask : 0);
}

uint32_t unfolded(uint32_t x, size_t width) { return x >> 1 ^ ((x & 1) != 0 ? ~uint32_t{0} >> (32 - 8 * width) : 0); }

// +1: targets of relative operands; -1: back.
template <int kWay>
void turn_calls(std::span<uint8_t> bytes) {
    for (size_t i = 0; i + kOperand < bytes.size();) {
        if ((bytes[i] & 0xfe) != 0xe8) {
            ++i;
            continue;
        }
        uint8_t *const operand = bytes.data() + i + 1;
        i += 1 + kOperand;  // in any case, so that the way back meets the same opcodes
        if (operand[3] != 0 && operand[3] != 255) continue;
        const uint32_t place = static_cast<uint32_t>(i), a = load(operand, 3) | (operand[3] & 1u) << 24;
        const uint32_t turned = kWay > 0 ? a + place : a - place;
        store(operand, turned, 3);
        operand[3] = (turned >> 24 & 1) != 0 ? 255 : 0;
    }
}

void to_columns(std::span<uint8_t> bytes, size_t stride, size_t width) {
    const size_t rows = bytes.size() / stride;
    if (width != 0)
        for (size_t row = rows; row-- > 1;)
            for (size_t c = 0; c < stride; c += width) {
                uint8_t *const at = bytes.data() + row * stride + c;
                store(at, folded(load(at, width) - load(at - stride, width), width), width);
            }
    std::vector<uint8_t> columns(rows * stride);
    for (size_t c = 0; c < stride; ++c)
        for (size_t row = 0; row < rows; ++row) columns[c * rows + row] = bytes[row * stride + c];
    std::copy(columns.begin(), columns.end(), bytes.begin());
}

void from_columns(std::span<uint8_t> bytes, size_t stride, size_t width) {
    const size_t rows = bytes.size() / stride;
    const std::vector<uint8_t> columns(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(rows * stride));
    for (size_t c = 0; c < stride; ++c)
        for (size_t row = 0; row < rows; ++row) bytes[row * stride + c] = columns[c * rows + row];
    if (width != 0)
        for (size_t row = 1; row < rows; ++row)
            for (size_t c = 0; c < stride; c += width) {
                uint8_t *const at = bytes.data() + row * stride + c;
                store(at, unfolded(load(at, width), width) + load(at - stride, width), width);
            }
}

// Bytes from the middle on which columns are tried.
constexpr size_t kSample = size_t{1} << 16, kLeastSize = 4096;
constexpr size_t kLongestStride = 64, kCallsEvery = 512;

// In code the last byte of an operand is 0 or 255 by its nature, the opcode after it by chance.
bool has_calls(std::span<const uint8_t> bytes) {
    const auto extreme = [](uint8_t c) { return c == 0 || c == 255; };
    size_t calls = 0, chance = 0;
    for (size_t i = 0; i + kOperand + 1 < bytes.size(); ++i) {
        if ((bytes[i] & 0xfe) != 0xe8) continue;
        calls += extreme(bytes[i + kOperand]);
        chance += extreme(bytes[i + kOperand + 1]);
    }
    return calls * kCallsEvery > bytes.size() && calls > 3 * chance;
}

// How often two rows' differences, of bytes or numbers, are the same in one column: sums of squares of their counts.
uint64_t agreement(std::span<const uint8_t> sample, size_t stride, size_t width) {
    std::vector<uint32_t> counts(stride * 256);
    for (size_t i = 0; i + 2 * stride <= sample.size(); i += stride)
        for (size_t c = 0; c < stride; c += width) {
            const uint32_t change = folded(load(&sample[i + stride + c], width) - load(&sample[i + c], width), width);
            for (size_t k = 0; k < width; ++k) ++counts[(c + k) * 256 + (change >> 8 * k & 255)];
        }
    uint64_t squares = 0;
    for (const uint64_t n : counts) squares += n * n;
    return squares * stride;
}

}  // namespace

Rewriting choose_rewriting(std::span<const uint8_t> bytes) {
    if (bytes.size() < kLeastSize) return {};
    const size_t size = std::min(bytes.size(), kSample);
    const std::span<const uint8_t> sample = bytes.subspan((bytes.size() - size) / 2, size);
    const auto printed = [](uint8_t c) { return (c >= ' ' && c < 127) || c == '\n' || c == '\r' || c == '\t'; };
    if (static_cast<size_t>(std::count_if(sample.begin(), sample.end(), printed)) > size / 10 * 9) return {};
    if (has_calls(bytes)) return {.calls = true};
    Rewriting best;
    uint64_t most = 0;
    for (const size_t width : {1, 2, 4})
        for (size_t stride = width; stride <= kLongestStride; stride += width)
            if (const uint64_t squares = agreement(sample, stride, width); squares > most + most / 16) {
                most = squares;
                best = {false, static_cast<uint8_t>(stride), static_cast<uint8_t>(width)};
            }
    const auto cost = [&](const Rewriting &how) {
        std::vector<uint8_t> form(sample.begin(), sample.end());
        rewrite(form, how);
        return encode_sorted(form).size();
    };
    const size_t plain = cost({});
    const Rewriting columns{false, best.stride, 0};
    const size_t with_differences = cost(best), without = cost(columns);
    if (std::min(with_differences, without) + 16 > plain - plain / 32) return {};
    return with_differences <= without ? best : columns;
}

void rewrite(std::span<uint8_t> bytes, const Rewriting &how) {
    if (how.calls) turn_calls<1>(bytes);
    if (how.stride != 0) to_columns(bytes, how.stride, how.width);
}

void restore(std::span<uint8_t> bytes, const Rewriting &how) {
    if (how.stride != 0) from_columns(bytes, how.stride, how.width);
    if (how.calls) turn_calls<-1>(bytes);
}

std::array<uint8_t, 2> pack_rewriting(const Rewriting &how) {
    return {static_cast<uint8_t>(how.width << 1 | (how.calls ? 1 : 0)), how.stride};
}

Rewriting parse_rewriting(std::span<const uint8_t> code) {
    if (code.size() != 2) throw CorruptData("a rewriting without its name");
    const Rewriting how{(code[0] & 1) != 0, code[1], static_cast<uint8_t>(code[0] >> 1)};
    const bool differences = how.width == 1 || how.width == 2 || how.width == 4;
    const bool valid =
        how.stride == 0 ? how.calls && how.width == 0 : how.width == 0 || (differences && how.stride % how.width == 0);
    if (!valid) throw CorruptData("a rewriting that does not exist");
    return how;
}

}  // namespace laconic::text
