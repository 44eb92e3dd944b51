// Symbols coded with one of several tables each, chosen by a context that encoder and decoder both know: profile B (rans_b.h).
//
// The tables are the caller's (64 scales of a Gaussian, say), or are fitted to the symbols and stored before them.
// docs/entropy.md specifies the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "entropy/rans_b.h"

namespace laconic::entropy {

constexpr size_t kContextChunk = size_t{1} << 20;  // symbols that share one stream; two streams are decoded in step
constexpr size_t kMaxContexts = 65536;
constexpr size_t kMaxFittedTables = 256;
constexpr size_t kMaxAlphabet = size_t{1} << 14;

// Tables to code with. Symbol: uint8_t (alphabets of up to 256) or uint16_t (up to 2^14).
template <typename Symbol>
class ContextTables {
public:
    // freqs: tables of `alphabet` frequencies each with the sum 2^precision. A symbol with the frequency 0 does not occur; or,
    // where there is an escape, is coded as that symbol of the alphabet and listed apart, and so is the escape itself, which has
    // a frequency in every table. std::invalid_argument if they are not that.
    ContextTables(std::vector<uint16_t> freqs, size_t alphabet, unsigned precision, std::optional<Symbol> escape = {});

    size_t count() const { return freqs_.size() / alphabet_; }
    size_t alphabet() const { return alphabet_; }
    unsigned precision() const { return precision_; }
    std::span<const uint16_t> freqs() const { return freqs_; }

    // Appends the coded symbols to out. std::invalid_argument for a context or symbol that has no table or no frequency.
    void encode(const Symbol *symbols, const uint16_t *contexts, size_t n, std::vector<uint8_t> &out) const;

    // The n symbols coded in exactly size bytes; CorruptData otherwise, std::invalid_argument for a context that has no table.
    void decode(const uint8_t *data, size_t size, const uint16_t *contexts, Symbol *symbols, size_t n) const;

    using PlaceChunk = std::function<void(rans_b::DecodeJob<Symbol> &job, size_t first)>;
    void decode_chunks(const uint8_t *data, const uint8_t *end, size_t n, const PlaceChunk &place) const;

private:
    void check_contexts(const uint16_t *contexts, size_t n) const;
    void encode_escapes(const Symbol *symbols, const uint16_t *contexts, size_t n, std::vector<uint8_t> &out) const;
    std::vector<Symbol> decode_escapes(const uint8_t *&data, const uint8_t *end, size_t n) const;

    std::vector<uint16_t> freqs_;
    size_t alphabet_;
    unsigned precision_;
    std::optional<Symbol> escape_;
    std::vector<rans_b::EncodeSymbol> encode_;
    rans_b::DecodeTables decode_;
};

// Frequencies for each row of counts (normalise in tables.h); std::invalid_argument for a row without counts, one that sums to
// 2^32 or more, or one of more than 2^precision symbols.
void normalise_rows(std::span<const uint32_t> counts, size_t alphabet, unsigned precision, std::span<uint16_t> freqs);

// Tables fitted to the symbols and stored with them; contexts whose symbols are alike share one. precision 0: by n.
template <typename Symbol>
std::vector<uint8_t> encode_fitted(const Symbol *symbols, const uint16_t *contexts, size_t n, unsigned precision);

template <typename Symbol>
void decode_fitted(const uint8_t *data, size_t size, const uint16_t *contexts, Symbol *symbols, size_t n);

// Bytes with the byte before as context, tables fitted and stored as above. precision 0: 11 bits, whose tables stay in the
// caches.
std::vector<uint8_t> encode_order1(const uint8_t *symbols, size_t n, unsigned precision);
void decode_order1(const uint8_t *data, size_t size, uint8_t *symbols, size_t n);

}  // namespace laconic::entropy
