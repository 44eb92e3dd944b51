#include "entropy/stepped_contexts.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>

#include "entropy/block.h"
#include "entropy/block_format.h"
#include "entropy/context_fit.h"
#include "entropy/error.h"
#include "entropy/tables.h"

namespace laconic::entropy {
namespace {

constexpr size_t kAlphabet = 256;

}  // namespace

std::vector<uint8_t> encode_stepped(const uint8_t *symbols, const uint8_t *contexts, size_t n, size_t count) {
    if (n % rans_b::kLanes != 0 || n == 0) throw std::invalid_argument("stepped symbols come in rows of 32");
    std::vector<uint32_t> counts(count * kAlphabet);
    std::vector<uint32_t> odd(counts.size());  // a count raised twice in a row would wait for itself
    for (size_t i = 0; i < n; i += 2) {
        ++counts[contexts[i] * kAlphabet + symbols[i]];
        ++odd[contexts[i + 1] * kAlphabet + symbols[i + 1]];
    }
    for (size_t k = 0; k < counts.size(); ++k) counts[k] += odd[k];
    const FittedTables fitted = fit_tables(counts, kAlphabet, kSteppedPrecision);

    std::vector<uint8_t> out;
    uint8_t varint[10];
    out.insert(out.end(), varint, write_varint(varint, fitted.count));
    if (fitted.count > 1) {
        std::vector<uint8_t> block(block_bound(count));
        block.resize(encode_block(fitted.table_of.data(), count, block.data()));
        out.insert(out.end(), varint, write_varint(varint, block.size()));
        out.insert(out.end(), block.begin(), block.end());
    }
    std::vector<rans_b::EncodeSymbol> table(fitted.freqs.size());
    std::vector<uint8_t> room(fitted.freqs.size() * 6 + 16 + 4 * rans_b::kLanes);
    BitWriter bits(room.data(), room.size());
    for (size_t first = 0; first < fitted.freqs.size(); first += kAlphabet) {
        const auto freqs = std::span(fitted.freqs).subspan(first, kAlphabet);
        write_table(bits, freqs, kSteppedPrecision);
        rans_b::build_encode_table(freqs, &table[first]);
    }

    // Not filled with zeros first: that would take a good part of the time that coding takes.
    const auto tables = std::make_unique_for_overwrite<uint16_t[]>(n);
    for (size_t i = 0; i < n; ++i) tables[i] = fitted.table_of[contexts[i]];
    const size_t room_size = 2 * n + 2 * rans_b::kRowBytes;
    const auto stream = std::make_unique_for_overwrite<uint8_t[]>(room_size);
    rans_b::EncodeJob<uint8_t> job{table.data(), kAlphabet, kSteppedPrecision, rans_b::kLanes,           symbols,
                                   tables.get(), n,         stream.get(),      stream.get() + room_size, {}};
    const uint8_t *const begin = rans_b::encode(job);
    rans_b::write_states(bits, job.states);
    out.insert(out.end(), room.data(), room.data() + bits.finish());
    out.insert(out.end(), begin, static_cast<const uint8_t *>(job.end));
    return out;
}

SteppedDecoder::SteppedDecoder(const uint8_t *data, size_t size, size_t count) : table_of_(count), states_{}, end_(data + size) {
    const size_t tables = read_varint(data, end_);
    if (tables == 0 || tables > 256 || tables > static_cast<size_t>(end_ - data))
        throw CorruptData("entropy contexts: header is damaged");
    if (tables > 1) {
        const size_t map_size = read_varint(data, end_);
        if (map_size > static_cast<size_t>(end_ - data)) throw CorruptData("entropy contexts: header is cut off");
        decode_block(data, map_size, table_of_.data(), count);
        data += map_size;
        if (*std::max_element(table_of_.begin(), table_of_.end()) >= tables)
            throw CorruptData("entropy contexts: a context has no table");
    }
    std::vector<uint16_t> freqs(tables * kAlphabet);
    BitReader bits(data, static_cast<size_t>(end_ - data));
    for (size_t first = 0; first < freqs.size(); first += kAlphabet)
        read_table(bits, std::span(freqs).subspan(first, kAlphabet), kSteppedPrecision);
    tables_.build(freqs, kAlphabet, kSteppedPrecision, 1);
    rans_b::read_states(bits, states_);
    stream_ = data + bits.finish();
    limit_ = end_ - rans_b::kRowBytes;
}

void SteppedDecoder::decode(uint8_t *symbols, const uint16_t *tables, size_t n) {
    rans_b::DecodeRows<uint8_t> rows{&tables_, symbols, tables, nullptr, n / rans_b::kLanes, stream_, limit_, states_.data()};
    // Near its end the stream goes on in a copy that is padded with zeros, where reading too far is harmless and is noticed.
    if (!in_tail_) {
        if (end_ - stream_ >= static_cast<ptrdiff_t>(rans_b::kRowBytes)) rans_b::decode_rows(rows);
        stream_ = rows.stream;
        if (rows.rows == 0) return;
        const auto left = static_cast<size_t>(end_ - stream_);
        std::memcpy(tail_, stream_, left);
        in_tail_ = true;
        rows.stream = tail_;
        rows.limit = end_ = limit_ = tail_ + left;
    }
    rans_b::decode_rows(rows);
    stream_ = rows.stream;
    if (rows.rows != 0 || stream_ > end_) throw CorruptData("entropy contexts: stream ends early");
}

void SteppedDecoder::finish() const {
    if (stream_ != end_) throw CorruptData("entropy contexts: stream has the wrong length");
    for (const uint32_t state : states_)
        if (state != rans_b::kStart) throw CorruptData("entropy contexts: a lane does not end where it began");
}

}  // namespace laconic::entropy
