#include "kv/channel_tables.h"

#include <algorithm>
#include <utility>

namespace laconic::kv {
namespace {

constexpr size_t kMeanRows = 4096;   // rows that a channel's mean is taken of
constexpr uint32_t kMeanScale = 16;  // means are multiples of 1/16 of a symbol

std::vector<uint32_t> channel_means(const uint8_t *symbols, size_t rows, size_t channels, bool drop_sign) {
    const uint8_t mask = drop_sign ? 0x7f : 0xff;
    const size_t looked_at = std::min(rows, kMeanRows);
    std::vector<uint32_t> means(channels);
    for (size_t row = 0; row < looked_at; ++row)
        for (size_t c = 0; c < channels; ++c) means[c] += symbols[row * channels + c] & mask;
    for (uint32_t &mean : means) mean = static_cast<uint32_t>(mean * kMeanScale / looked_at);
    return means;
}

// Groups of equal width between the least and the greatest mean; channels alone where they are few.
std::vector<uint8_t> group_channels(const uint8_t *symbols, size_t rows, size_t channels, bool drop_sign, size_t groups) {
    std::vector<uint8_t> group_of(channels);
    if (channels <= groups) {
        for (size_t c = 0; c < channels; ++c) group_of[c] = static_cast<uint8_t>(c);
        return group_of;
    }
    const std::vector<uint32_t> means = channel_means(symbols, rows, channels, drop_sign);
    const auto [least, greatest] = std::minmax_element(means.begin(), means.end());
    const uint32_t low = *least, range = *greatest - low + 1;
    for (size_t c = 0; c < channels; ++c) group_of[c] = static_cast<uint8_t>((means[c] - low) * groups / range);
    return group_of;
}

}  // namespace

ChannelTables fit_channels(const uint8_t *symbols, size_t rows, size_t channels, bool drop_sign, size_t groups,
                           unsigned precision) {
    const std::vector<uint8_t> group_of = group_channels(symbols, rows, channels, drop_sign, groups);
    std::vector<uint32_t> counts(kMaxTables * 256);
    for (size_t row = 0; row < rows; ++row)
        for (size_t c = 0; c < channels; ++c) ++counts[size_t{group_of[c]} << 8 | symbols[row * channels + c]];

    ChannelTables result;
    for (size_t i = 0; i < counts.size(); ++i)
        if (counts[i] != 0) result.alphabet = std::max(result.alphabet, (i & 0xff) + 1);
    std::vector<uint32_t> narrow(kMaxTables * result.alphabet);
    for (size_t g = 0; g < kMaxTables; ++g) std::copy_n(&counts[g << 8], result.alphabet, &narrow[g * result.alphabet]);
    entropy::FittedTables fitted = entropy::fit_tables(narrow, result.alphabet, precision);
    result.count = fitted.count;
    result.freqs = std::move(fitted.freqs);
    result.table_of.resize(channels);
    for (size_t c = 0; c < channels; ++c) result.table_of[c] = fitted.table_of[group_of[c]];
    return result;
}

}  // namespace laconic::kv
