#include "checkpoint/symbols.h"

#include <algorithm>

#include "checkpoint/elements.h"
#include "entropy/block.h"
#include "entropy/contexts.h"
#include "entropy/error.h"

namespace laconic::checkpoint {

namespace {
constexpr uint8_t kBlock = 0, kFitted = 1;
constexpr size_t kHead = 5;
constexpr unsigned kPrecision = 12;  // of fitted tables: 64 symbols in use, and n is 2^17
}  // namespace

void put_symbols(const uint8_t *symbols, const uint16_t *contexts, size_t n, std::vector<uint8_t> &out) {
    const size_t at = out.size();
    // Equal symbols need no tables, whatever their contexts.
    const bool equal = n != 0 && std::all_of(symbols, symbols + n, [&](uint8_t s) { return s == symbols[0]; });
    if (contexts == nullptr || equal || n == 0) {
        out.resize(at + kHead + entropy::block_bound(n));
        const size_t size = n == 0 ? 0 : entropy::encode_block(symbols, n, out.data() + at + kHead);
        out.resize(at + kHead + size);
        out[at] = kBlock;
    } else {
        const std::vector<uint8_t> coded = entropy::encode_fitted(symbols, contexts, n, kPrecision);
        out.resize(at + kHead);
        out.insert(out.end(), coded.begin(), coded.end());
        out[at] = kFitted;
    }
    store(out.data() + at + 1, static_cast<uint32_t>(out.size() - at - kHead));
}

const uint8_t *get_symbols(const uint8_t *data, const uint8_t *end, const uint16_t *contexts, uint8_t *symbols, size_t n) {
    if (static_cast<size_t>(end - data) < kHead) throw CorruptData("the payload ends before its symbols");
    const uint8_t form = data[0];
    const size_t size = load<uint32_t>(data + 1);
    data += kHead;
    if (size > static_cast<size_t>(end - data)) throw CorruptData("the symbols reach past the payload");
    if (form == kBlock) {
        if (n != 0) entropy::decode_block(data, size, symbols, n);
        if (n == 0 && size != 0) throw CorruptData("symbols where there are no elements");
    } else if (form == kFitted && contexts != nullptr) {
        entropy::decode_fitted(data, size, contexts, symbols, n);
    } else {
        throw CorruptData("no such form of symbols");
    }
    return data + size;
}

}  // namespace laconic::checkpoint
