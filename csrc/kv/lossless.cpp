#include "kv/lossless.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <stdexcept>

#include "entropy/block.h"
#include "entropy/rans_b.h"
#include "entropy/tables.h"
#include "float/planes.h"
#include "float/scratch.h"
#include "kv/channel_tables.h"
#include "kv/repeated_rows.h"
#include "kv/symbol_rows.h"

namespace laconic::kv {
namespace {

constexpr size_t kManySymbols = size_t{1} << 15;  // from here on, 12-bit tables pay

unsigned precision_for(size_t symbols) { return symbols < kManySymbols ? 11 : 12; }

// The exponent fills the first plane: csrc/float/planes.h. A byte is a plane as it is.
floats::ElementFormat planes_of(const SegmentFormat &format) { return {format.width, format.width > 1 ? 1u : 0u, false}; }

void put_tables(std::vector<uint8_t> &out, const ChannelTables &tables, unsigned precision) {
    out.push_back(static_cast<uint8_t>(precision));
    entropy::put_varint(out, tables.alphabet);
    entropy::put_varint(out, tables.count);
    if (tables.count > 1) {
        std::vector<uint8_t> block(entropy::block_bound(tables.table_of.size()));
        entropy::put_sized(out, block.data(),
                           entropy::encode_block(tables.table_of.data(), tables.table_of.size(), block.data()));
    }
    std::vector<uint8_t> packed(tables.freqs.size() * 6 + 16);
    entropy::BitWriter bits(packed.data(), packed.size());
    for (size_t first = 0; first < tables.freqs.size(); first += tables.alphabet)
        entropy::write_table(bits, std::span(tables.freqs).subspan(first, tables.alphabet), precision);
    entropy::put_sized(out, packed.data(), bits.finish());
}

ChannelTables get_tables(entropy::ByteReader &in, size_t channels, unsigned &precision) {
    precision = in.get();
    ChannelTables tables;
    tables.alphabet = in.get_varint();
    tables.count = in.get_varint();
    if (precision < entropy::rans_b::kMinPrecision || precision > entropy::rans_b::kPackedPrecision || tables.alphabet == 0 ||
        tables.alphabet > 256 || tables.count == 0 || tables.count > kMaxTables)
        throw CorruptData("kv: no such tables");
    tables.table_of.resize(channels);
    if (tables.count > 1) {
        const entropy::ByteReader block = in.get_sized();
        entropy::decode_block(block.position(), block.remaining(), tables.table_of.data(), channels);
        if (*std::max_element(tables.table_of.begin(), tables.table_of.end()) >= tables.count)
            throw CorruptData("kv: a channel has no table");
    }
    const entropy::ByteReader packed = in.get_sized();
    entropy::BitReader bits(packed.position(), packed.remaining());
    tables.freqs.resize(tables.count * tables.alphabet);
    for (size_t first = 0; first < tables.freqs.size(); first += tables.alphabet)
        entropy::read_table(bits, std::span(tables.freqs).subspan(first, tables.alphabet), precision);
    if (bits.finish() != packed.remaining()) throw CorruptData("kv: bytes are left after the tables");
    return tables;
}

// Method 1: rows, at least one, and nothing after them.
void encode_rows(std::vector<uint8_t> &out, const uint8_t *raw, size_t rows, const SegmentFormat &format, size_t groups) {
    const size_t n = rows * format.channels;
    uint8_t *const planes = floats::scratch(n * format.width);
    floats::split_planes(raw, nullptr, n, planes_of(format), planes);

    const unsigned precision = precision_for(n);
    const ChannelTables tables = fit_channels(planes, rows, format.channels, format.width == 1, groups, precision);
    put_tables(out, tables, precision);
    put_symbols(out, planes, rows, tables, precision);

    thread_local std::vector<uint8_t> block;
    for (size_t k = 1; k < format.width; ++k) {
        block.resize(std::max(block.size(), entropy::block_bound(n)));
        entropy::put_sized(out, block.data(), entropy::encode_block(planes + k * n, n, block.data()));
    }
}

void decode_rows(entropy::ByteReader &in, const SegmentFormat &format, uint8_t *raw, size_t rows) {
    const size_t n = rows * format.channels;
    unsigned precision = 0;
    const ChannelTables tables = get_tables(in, format.channels, precision);
    uint8_t *const planes = floats::scratch(n * format.width);
    get_symbols(in, planes, rows, tables, precision);
    const uint8_t *plane[floats::kMaxWidth] = {planes};
    for (size_t k = 1; k < format.width; ++k) {
        const entropy::ByteReader block = in.get_sized();
        plane[k] = entropy::raw_symbols(block.position(), block.remaining(), n);  // noise is joined from where it lies
        if (plane[k] != nullptr) continue;
        uint8_t *const symbols = planes + k * n;
        entropy::decode_block(block.position(), block.remaining(), symbols, n);
        plane[k] = symbols;
    }
    floats::join_planes(plane, nullptr, n, planes_of(format), raw);
}

}  // namespace

void SegmentFormat::check() const {
    if (width != 1 && width != 2 && width != 4) throw std::invalid_argument("KV elements have 1, 2 or 4 bytes");
    if (channels == 0 || channels > size_t{1} << 16) throw std::invalid_argument("a segment has 1 to 65536 channels");
}

std::vector<uint8_t> encode_lossless(const uint8_t *raw, size_t raw_size, const SegmentFormat &format, size_t groups) {
    const size_t row_bytes = format.row_bytes(), rows = raw_size / row_bytes;
    std::vector<uint8_t> out;
    if (rows == 0) return out;
    out.reserve(raw_size);
    const DistinctRows distinct(raw, rows, row_bytes);
    if (distinct.count == rows) {
        out.push_back(kChannels);
        encode_rows(out, raw, rows, format, groups);
    } else {
        out.push_back(kRepeatedRows);
        put_rows(out, distinct);
        std::vector<uint8_t> kept;
        for (size_t i = 0; i < rows; ++i)
            if (distinct.number[i] * row_bytes == kept.size())
                kept.insert(kept.end(), raw + i * row_bytes, raw + (i + 1) * row_bytes);
        encode_rows(out, kept.data(), distinct.count, format, groups);
    }
    out.insert(out.end(), raw + rows * row_bytes, raw + raw_size);
    return out;
}

void decode_lossless(const uint8_t *data, size_t size, const SegmentFormat &format, uint8_t *raw, size_t raw_size) {
    const size_t row_bytes = format.row_bytes(), rows = raw_size / row_bytes;
    if (rows == 0) throw CorruptData("kv: a payload without a row");
    entropy::ByteReader in(data, size);
    const uint8_t method = in.get();
    if (method == kChannels) {
        decode_rows(in, format, raw, rows);
    } else if (method == kRepeatedRows) {
        const DistinctRows distinct = get_rows(in, rows);
        std::vector<uint8_t> kept(distinct.count * row_bytes);
        decode_rows(in, format, kept.data(), distinct.count);
        for (size_t i = 0; i < rows; ++i)
            std::memcpy(raw + i * row_bytes, kept.data() + distinct.number[i] * row_bytes, row_bytes);
    } else {
        throw CorruptData("kv: no such method");
    }
    const size_t rest = raw_size - rows * row_bytes;
    if (in.remaining() != rest) throw CorruptData("kv: the payload is longer or shorter than its rows");
    std::memcpy(raw + rows * row_bytes, in.position(), rest);
}

}  // namespace laconic::kv
