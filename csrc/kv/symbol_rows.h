// Rows of one symbol a channel, coded with the channels' tables (profile B, rans_b.h).
//
// The upper and the lower half of the rows are streams of their own: two streams in step decode faster than one, and both see the
// same contexts.
#pragma once

#include <cstddef>
#include <cstdint>

#include "entropy/byte_io.h"
#include "kv/channel_tables.h"

namespace laconic::kv {

// Each half - rows [0, (rows + 1) / 2), then the others - with its size before it: the lanes' states, the stream.
void put_symbols(std::vector<uint8_t> &out, const uint8_t *symbols, size_t rows, const ChannelTables &tables, unsigned precision);
void get_symbols(entropy::ByteReader &in, uint8_t *symbols, size_t rows, const ChannelTables &tables, unsigned precision);

}  // namespace laconic::kv
