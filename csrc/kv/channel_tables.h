// Which channels share a frequency table.
//
// Values of one channel have much the same scale at every token, so their exponents are best coded with the channel as context
// (2.3 to 2.6 bits where all channels together take 2.7 to 2.9). A segment has up to 2^16 channels and few tokens: channels of
// similar exponents share one of a bounded number of tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "entropy/context_fit.h"

namespace laconic::kv {

constexpr size_t kMaxTables = 64;

struct ChannelTables {
    size_t count = 0;               // 1 to kMaxTables
    size_t alphabet = 0;            // 1 to 256
    std::vector<uint8_t> table_of;  // by channel
    std::vector<uint16_t> freqs;    // count tables of `alphabet` frequencies, each with the sum 2^precision
};

// symbols: rows of one symbol a channel. drop_sign: the top bit says nothing about a value's scale (elements of one byte).
// groups: channels are grouped by mean symbol into no more than this many (2 to kMaxTables) before tables are fitted.
ChannelTables fit_channels(const uint8_t *symbols, size_t rows, size_t channels, bool drop_sign, size_t groups,
                           unsigned precision);

}  // namespace laconic::kv
