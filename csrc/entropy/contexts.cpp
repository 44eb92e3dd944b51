#include "entropy/contexts.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "entropy/block.h"
#include "entropy/block_format.h"
#include "entropy/context_fit.h"
#include "entropy/tables.h"

namespace laconic::entropy {
namespace {

template <typename T>
size_t one_past_most(const T *values, size_t n) {
    T most = 0;
    for (size_t i = 0; i < n; ++i) most = std::max(most, values[i]);
    return n == 0 ? 0 : size_t{most} + 1;
}

unsigned lanes_of(size_t n) { return n < kManyLanesFrom ? rans_b::kFewLanes : rans_b::kLanes; }

size_t chunk_count(size_t n) { return n == 0 ? 0 : (n - 1) / kContextChunk + 1; }

}  // namespace

template <typename Symbol>
ContextTables<Symbol>::ContextTables(std::vector<uint16_t> freqs, size_t alphabet, unsigned precision,
                                     std::optional<Symbol> escape)
    : freqs_(std::move(freqs)), alphabet_(alphabet), precision_(precision), escape_(escape) {
    if (precision < rans_b::kMinPrecision || precision > rans_b::kMaxPrecision)
        throw std::invalid_argument("precision must be 10 to 14");
    if (alphabet == 0 || alphabet > (sizeof(Symbol) == 1 ? 256 : kMaxAlphabet))
        throw std::invalid_argument("an alphabet holds 1 to 256 symbols of a byte, or 1 to 2^14 of two");
    if (freqs_.empty() || freqs_.size() % alphabet != 0 || freqs_.size() / alphabet > kMaxContexts)
        throw std::invalid_argument("there must be 1 to 65536 tables");
    for (size_t first = 0; first < freqs_.size(); first += alphabet)
        if (std::accumulate(&freqs_[first], &freqs_[first] + alphabet, uint32_t{0}) != 1u << precision)
            throw std::invalid_argument("the frequencies of table " + std::to_string(first / alphabet) + " do not sum to 2^" +
                                        std::to_string(precision));
    if (escape && *escape >= alphabet) throw std::invalid_argument("the escape must be a symbol of the alphabet");
    encode_.resize(freqs_.size());
    for (size_t first = 0; first < freqs_.size(); first += alphabet) {
        rans_b::build_encode_table(std::span(freqs_).subspan(first, alphabet), &encode_[first]);
        if (!escape) continue;
        if (freqs_[first + *escape] == 0) throw std::invalid_argument("the escape must have a frequency in every table");
        for (size_t s = 0; s < alphabet; ++s)
            if (freqs_[first + s] == 0) encode_[first + s] = encode_[first + *escape];
    }
    decode_.build(freqs_, alphabet, precision, sizeof(Symbol));
}

template <typename Symbol>
void ContextTables<Symbol>::check_contexts(const uint16_t *contexts, size_t n) const {
    if (one_past_most(contexts, n) > count()) throw std::invalid_argument("a context has no table");
}

// Where the tables have an escape: the number of escaped symbols (varint), and unless it is 0, their values: bytes as a block
// with its size (varint), 16-bit ones as they are.
template <typename Symbol>
void ContextTables<Symbol>::encode_escapes(const Symbol *symbols, const uint16_t *contexts, size_t n,
                                           std::vector<uint8_t> &out) const {
    std::vector<Symbol> escaped;
    for (size_t i = 0; i < n; ++i)
        if (symbols[i] == *escape_ || freqs_[contexts[i] * alphabet_ + symbols[i]] == 0) escaped.push_back(symbols[i]);
    uint8_t varint[8];
    out.insert(out.end(), varint, write_varint(varint, escaped.size()));
    if (escaped.empty()) return;
    if constexpr (sizeof(Symbol) == 1) {
        std::vector<uint8_t> block(block_bound(escaped.size()));
        block.resize(encode_block(escaped.data(), escaped.size(), block.data()));
        out.insert(out.end(), varint, write_varint(varint, block.size()));
        out.insert(out.end(), block.begin(), block.end());
    } else {
        for (const Symbol value : escaped) {
            out.push_back(static_cast<uint8_t>(value));
            out.push_back(static_cast<uint8_t>(value >> 8));
        }
    }
}

template <typename Symbol>
std::vector<Symbol> ContextTables<Symbol>::decode_escapes(const uint8_t *&data, const uint8_t *end, size_t n) const {
    const size_t count = read_varint(data, end);
    if (count > n) throw CorruptData("entropy contexts: more escapes than symbols");
    std::vector<Symbol> escaped(count);
    if (count == 0) return escaped;
    if constexpr (sizeof(Symbol) == 1) {
        const size_t size = read_varint(data, end);
        if (size > static_cast<size_t>(end - data)) throw CorruptData("entropy contexts: escapes are cut off");
        decode_block(data, size, escaped.data(), count);
        data += size;
    } else {
        if (2 * count > static_cast<size_t>(end - data)) throw CorruptData("entropy contexts: escapes are cut off");
        for (Symbol &value : escaped) {
            value = static_cast<Symbol>(data[0] | data[1] << 8);
            data += 2;
        }
    }
    if (one_past_most(escaped.data(), count) > alphabet_)
        throw CorruptData("entropy contexts: an escape lies outside the alphabet");
    return escaped;
}

// Escapes; sizes of all chunks but the last as varints; then each chunk: its final states, its stream.
template <typename Symbol>
void ContextTables<Symbol>::encode(const Symbol *symbols, const uint16_t *contexts, size_t n, std::vector<uint8_t> &out) const {
    check_contexts(contexts, n);
    if (one_past_most(symbols, n) > alphabet_) throw std::invalid_argument("a symbol lies outside the alphabet");
    if (escape_ && n != 0) encode_escapes(symbols, contexts, n, out);
    std::vector<uint8_t> sizes, chunks;
    std::vector<uint8_t> room(std::min(n, kContextChunk) * 2 + rans_b::kRowBytes);
    for (size_t first = 0; first < n; first += kContextChunk) {
        const size_t count = std::min(kContextChunk, n - first);
        rans_b::EncodeJob<Symbol> job{encode_.data(),   alphabet_, precision_,  lanes_of(count),           symbols + first,
                                      contexts + first, count,     room.data(), room.data() + room.size(), {}};
        const uint8_t *const stream = rans_b::encode(job);
        std::array<uint8_t, 4 * rans_b::kLanes> states;
        BitWriter bits(states.data(), states.size());
        rans_b::write_states(bits, std::span(job.states).first(job.lanes));
        const size_t before = chunks.size();
        chunks.insert(chunks.end(), states.data(), states.data() + bits.finish());
        chunks.insert(chunks.end(), stream, static_cast<const uint8_t *>(job.end));
        if (first + count == n) break;
        uint8_t varint[8];
        sizes.insert(sizes.end(), varint, write_varint(varint, chunks.size() - before));
    }
    out.insert(out.end(), sizes.begin(), sizes.end());
    out.insert(out.end(), chunks.begin(), chunks.end());
}

template <typename Symbol>
void ContextTables<Symbol>::decode(const uint8_t *data, size_t size, const uint16_t *contexts, Symbol *symbols, size_t n) const {
    check_contexts(contexts, n);
    const uint8_t *const end = data + size;
    std::vector<Symbol> escaped;
    if (escape_ && n != 0) escaped = decode_escapes(data, end, n);
    decode_chunks(data, end, n, [&](rans_b::DecodeJob<Symbol> &job, size_t first) {
        job.symbols = symbols + first;
        job.contexts = contexts + first;
    });
    if (!escape_) return;
    size_t used = 0;
    for (Symbol *place = std::find(symbols, symbols + n, *escape_); place != symbols + n;
         place = std::find(place + 1, symbols + n, *escape_)) {
        if (used == escaped.size()) throw CorruptData("entropy contexts: escapes are missing");
        *place = escaped[used++];
    }
    if (used != escaped.size()) throw CorruptData("entropy contexts: escapes are left");
}

// Two chunks in step where there are two. place(job, first) says where the chunk's symbols go and what their contexts are.
template <typename Symbol>
void ContextTables<Symbol>::decode_chunks(const uint8_t *data, const uint8_t *end, size_t n, const PlaceChunk &place) const {
    const size_t chunks = chunk_count(n);
    if (chunks > static_cast<size_t>(end - data) + 1) throw CorruptData("entropy contexts: chunks are missing");
    std::vector<size_t> sizes(chunks);
    for (size_t k = 0; k + 1 < chunks; ++k) sizes[k] = read_varint(data, end);
    rans_b::DecodeJob<Symbol> jobs[2];
    for (size_t k = 0; k < chunks; ++k) {
        const size_t size = k + 1 == chunks ? static_cast<size_t>(end - data) : sizes[k];
        if (size > static_cast<size_t>(end - data)) throw CorruptData("entropy contexts: a chunk is cut off");
        rans_b::DecodeJob<Symbol> &job = jobs[k % 2];
        const size_t first = k * kContextChunk, count = std::min(kContextChunk, n - first);
        job = {&decode_, lanes_of(count), nullptr, nullptr, nullptr, count, nullptr, data + size, {}};
        place(job, first);
        BitReader bits(data, size);
        rans_b::read_states(bits, std::span(job.states).first(job.lanes));
        job.stream = data + bits.finish();
        data += size;
        if (k % 2 == 1)
            rans_b::decode_pair(jobs[0], jobs[1]);
        else if (k + 1 == chunks)
            rans_b::decode(job);
    }
    if (data != end) throw CorruptData("entropy contexts: bytes are left");
}

void normalise_rows(std::span<const uint32_t> counts, size_t alphabet, unsigned precision, std::span<uint16_t> freqs) {
    if (precision < rans_b::kMinPrecision || precision > rans_b::kMaxPrecision)
        throw std::invalid_argument("precision must be 10 to 14");
    for (size_t first = 0; first < counts.size(); first += alphabet) {
        const auto row = counts.subspan(first, alphabet);
        const uint64_t total = std::accumulate(row.begin(), row.end(), uint64_t{0});
        const auto live = static_cast<size_t>(alphabet - static_cast<size_t>(std::count(row.begin(), row.end(), 0u)));
        if (total == 0 || total >> 32 != 0 || live > size_t{1} << precision)
            throw std::invalid_argument("counts of a table must sum to 1 to 2^32 - 1 over at most 2^precision symbols");
        normalise(row, precision, freqs.subspan(first, alphabet));
    }
}

namespace {

// The table of each symbol, from its context.
std::vector<uint16_t> look_up(const std::vector<uint8_t> &table_of, const uint16_t *contexts, size_t n) {
    std::vector<uint16_t> tables(n);
    for (size_t i = 0; i < n; ++i) tables[i] = table_of[contexts[i]];
    return tables;
}

}  // namespace

// Precision (u8), contexts, alphabet and tables (varints), the table of each context as a block with its size (varint) where
// there are several tables, the tables as bits, then what ContextTables::encode writes.
template <typename Symbol>
std::vector<uint8_t> encode_fitted(const Symbol *symbols, const uint16_t *contexts, size_t n, unsigned precision) {
    std::vector<uint8_t> out;
    if (n == 0) return out;
    const size_t context_count = one_past_most(contexts, n), alphabet = one_past_most(symbols, n);
    if (alphabet > kMaxAlphabet) throw std::invalid_argument("symbols must be below 2^14");
    if (context_count * alphabet > size_t{1} << 26) throw std::invalid_argument("contexts times alphabet must not pass 2^26");
    if (n >> 32 != 0) throw std::invalid_argument("at most 2^32 - 1 symbols share fitted tables");
    if (precision == 0) precision = n < 32768 ? 11 : 12;
    if (size_t{1} << precision < alphabet) precision = static_cast<unsigned>(std::bit_width(alphabet - 1));
    std::vector<uint32_t> counts(context_count * alphabet);
    for (size_t i = 0; i < n; ++i) ++counts[contexts[i] * alphabet + symbols[i]];
    const FittedTables fitted = fit_tables(counts, alphabet, precision);

    uint8_t head[32];
    uint8_t *end = head;
    *end++ = static_cast<uint8_t>(precision);
    end = write_varint(write_varint(write_varint(end, context_count), alphabet), fitted.count);
    out.assign(head, end);
    if (fitted.count > 1) {
        std::vector<uint8_t> block(block_bound(context_count));
        block.resize(encode_block(fitted.table_of.data(), context_count, block.data()));
        end = write_varint(head, block.size());
        out.insert(out.end(), head, end);
        out.insert(out.end(), block.begin(), block.end());
    }
    std::vector<uint8_t> tables(fitted.freqs.size() * 6 + 16);
    BitWriter bits(tables.data(), tables.size());
    for (size_t first = 0; first < fitted.freqs.size(); first += alphabet)
        write_table(bits, std::span(fitted.freqs).subspan(first, alphabet), precision);
    out.insert(out.end(), tables.data(), tables.data() + bits.finish());
    const ContextTables<Symbol> coder(fitted.freqs, alphabet, precision);
    coder.encode(symbols, look_up(fitted.table_of, contexts, n).data(), n, out);
    return out;
}

namespace {

// What encode_fitted writes before the coded symbols.
template <typename Symbol>
struct FittedHeader {
    std::vector<uint8_t> table_of;  // by context
    std::unique_ptr<ContextTables<Symbol>> tables;

    // Moves data past the header.
    FittedHeader(const uint8_t *&data, const uint8_t *end) {
        if (data == end) throw CorruptData("entropy contexts: header is cut off");
        const unsigned precision = *data++;
        const size_t context_count = read_varint(data, end), alphabet = read_varint(data, end), count = read_varint(data, end);
        if (precision < rans_b::kMinPrecision || precision > rans_b::kMaxPrecision || context_count == 0 ||
            context_count > kMaxContexts || alphabet == 0 || alphabet > (sizeof(Symbol) == 1 ? 256 : kMaxAlphabet) ||
            count == 0 || count > kMaxFittedTables || count > static_cast<size_t>(end - data))
            throw CorruptData("entropy contexts: header is damaged");
        table_of.resize(context_count);
        if (count > 1) {
            const size_t map_size = read_varint(data, end);
            if (map_size > static_cast<size_t>(end - data)) throw CorruptData("entropy contexts: header is cut off");
            decode_block(data, map_size, table_of.data(), context_count);
            data += map_size;
            if (one_past_most(table_of.data(), context_count) > count)
                throw CorruptData("entropy contexts: a context has no table");
        }
        std::vector<uint16_t> freqs(count * alphabet);
        BitReader bits(data, static_cast<size_t>(end - data));
        for (size_t first = 0; first < freqs.size(); first += alphabet)
            read_table(bits, std::span(freqs).subspan(first, alphabet), precision);
        data += bits.finish();
        tables = std::make_unique<ContextTables<Symbol>>(std::move(freqs), alphabet, precision);
    }
};

}  // namespace

template <typename Symbol>
void decode_fitted(const uint8_t *data, size_t size, const uint16_t *contexts, Symbol *symbols, size_t n) {
    const uint8_t *const end = data + size;
    if (n == 0) {
        if (size != 0) throw CorruptData("entropy contexts: bytes are left");
        return;
    }
    const FittedHeader<Symbol> header(data, end);
    if (one_past_most(contexts, n) > header.table_of.size())
        throw CorruptData("entropy contexts: a context is not among those that were coded");
    header.tables->decode(data, static_cast<size_t>(end - data), look_up(header.table_of, contexts, n).data(), symbols, n);
}

namespace {

// Order 1: a chunk is cut into one segment for each lane, so that the symbol before is one that the lane itself has decoded.
// Coded symbol i = t * lanes + lane is symbol lane * (count / lanes) + t of the chunk; those that fill no row keep their places.
template <bool ToCoded>
void move_symbols(const uint8_t *from, uint8_t *to, size_t lanes, size_t length, size_t begin, size_t end) {
    for (size_t lane = 0; lane < lanes; ++lane)
        for (size_t t = begin; t < end; ++t) {
            const size_t coded = t * lanes + lane, plain = lane * length + t;
            if constexpr (ToCoded)
                to[coded] = from[plain];
            else
                to[plain] = from[coded];
        }
}

// Eight rows of 32 bytes, as four words each, to 8 x 8 bytes transposed in each column of words, by exchanging halves of halves.
constexpr size_t kGroups = rans_b::kLanes / 8;
typedef uint64_t Words __attribute__((vector_size(8 * kGroups)));
[[gnu::always_inline]] inline void transpose_words(Words (&rows)[8]) {
    const auto exchange = [&](size_t a, size_t b, unsigned shift, uint64_t low) {
        const Words moved = (rows[a] >> shift ^ rows[b]) & low;
        rows[a] ^= moved << shift;
        rows[b] ^= moved;
    };
    for (size_t k = 0; k < 4; ++k) exchange(k, k + 4, 32, 0x00000000ffffffff);
    for (size_t k = 0; k < 8; k += 4)
        for (size_t j = k; j < k + 2; ++j) exchange(j, j + 2, 16, 0x0000ffff0000ffff);
    for (size_t k = 0; k < 8; k += 2) exchange(k, k + 1, 8, 0x00ff00ff00ff00ff);
}

uint64_t load_word(const uint8_t *p) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    return word;
}
void store_word(uint8_t *p, uint64_t word) { std::memcpy(p, &word, 8); }

// As move_symbols, for 32 lanes and kTile rows. Several cache lines of a segment are written at a time: the segments of a full
// chunk lie 2^15 bytes apart, where a first-level cache has room for few of them.
constexpr size_t kTile = 256;
template <bool ToCoded>
void move_tile(const uint8_t *from, uint8_t *to, size_t length, size_t begin) {
    constexpr size_t kLanes = rans_b::kLanes;
    uint8_t tile[kLanes][kTile];
    if constexpr (ToCoded)
        for (size_t lane = 0; lane < kLanes; ++lane) std::memcpy(tile[lane], from + lane * length + begin, kTile);
    for (size_t t = 0; t < kTile; t += 8) {
        Words rows[8];
        if constexpr (ToCoded) {
            for (size_t k = 0; k < 8; ++k)
                for (size_t g = 0; g < kGroups; ++g) rows[k][g] = load_word(&tile[8 * g + k][t]);
            transpose_words(rows);
            std::memcpy(to + (begin + t) * kLanes, rows, sizeof rows);
        } else {
            std::memcpy(rows, from + (begin + t) * kLanes, sizeof rows);
            transpose_words(rows);
            for (size_t k = 0; k < 8; ++k)
                for (size_t g = 0; g < kGroups; ++g) store_word(&tile[8 * g + k][t], rows[k][g]);
        }
    }
    if constexpr (!ToCoded)
        for (size_t lane = 0; lane < kLanes; ++lane) std::memcpy(to + lane * length + begin, tile[lane], kTile);
}

template <bool ToCoded>
void transpose(const uint8_t *from, uint8_t *to, size_t count) {
    static_assert(std::endian::native == std::endian::little);
    const size_t lanes = lanes_of(count), length = count / lanes;
    size_t t = 0;
    if (lanes == rans_b::kLanes)
        for (; t + kTile <= length; t += kTile) move_tile<ToCoded>(from, to, length, t);
    move_symbols<ToCoded>(from, to, lanes, length, t, length);
    std::copy(from + lanes * length, from + count, to + lanes * length);
}

}  // namespace

std::vector<uint8_t> encode_order1(const uint8_t *symbols, size_t n, unsigned precision) {
    std::vector<uint8_t> coded(n);
    std::vector<uint16_t> before(n);
    for (size_t first = 0; first < n; first += kContextChunk) {
        const size_t count = std::min(kContextChunk, n - first), lanes = lanes_of(count);
        transpose<true>(symbols + first, &coded[first], count);
        for (size_t i = lanes; i < count; ++i) before[first + i] = coded[first + i - lanes];
    }
    return encode_fitted(coded.data(), before.data(), n, precision == 0 ? 11 : precision);
}

void decode_order1(const uint8_t *data, size_t size, uint8_t *symbols, size_t n) {
    const uint8_t *const end = data + size;
    if (n == 0) {
        if (size != 0) throw CorruptData("entropy contexts: bytes are left");
        return;
    }
    const FittedHeader<uint8_t> header(data, end);
    // Every byte has a table, so that a damaged stream can't ask for one that is not there; an intact one asks for no other
    // contexts.
    std::array<uint8_t, 256> table_of{};
    for (size_t c = 0; c < std::min<size_t>(256, header.table_of.size()); ++c) table_of[c] = header.table_of[c];
    // Two chunks in turn, each with a row of zeros before it: the contexts of its first row.
    constexpr size_t kBefore = rans_b::kLanes;
    const size_t room = kBefore + std::min(n, kContextChunk);
    const auto coded = std::make_unique_for_overwrite<uint8_t[]>(n > kContextChunk ? 2 * room : room);
    const auto coded_at = [&](size_t first) { return coded.get() + (first / kContextChunk % 2) * room + kBefore; };
    for (size_t first = 0; first < std::min(n, 2 * kContextChunk); first += kContextChunk)
        std::fill_n(coded_at(first) - kBefore, kBefore, uint8_t{0});
    const auto finish = [&](size_t first) {
        transpose<false>(coded_at(first), symbols + first, std::min(kContextChunk, n - first));
    };
    header.tables->decode_chunks(data, end, n, [&](rans_b::DecodeJob<uint8_t> &job, size_t first) {
        // The chunks two before are decoded by now.
        if (first >= 2 * kContextChunk) finish(first - 2 * kContextChunk);
        job.symbols = coded_at(first);
        job.table_of = table_of.data();
    });
    const size_t last = (n - 1) / kContextChunk * kContextChunk;
    if (last != 0) finish(last - kContextChunk);
    finish(last);
}

template class ContextTables<uint8_t>;
template class ContextTables<uint16_t>;
template std::vector<uint8_t> encode_fitted(const uint8_t *, const uint16_t *, size_t, unsigned);
template std::vector<uint8_t> encode_fitted(const uint16_t *, const uint16_t *, size_t, unsigned);
template void decode_fitted(const uint8_t *, size_t, const uint16_t *, uint8_t *, size_t);
template void decode_fitted(const uint8_t *, size_t, const uint16_t *, uint16_t *, size_t);

}  // namespace laconic::entropy
