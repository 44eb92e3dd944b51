#include "entropy/symbols.h"

#include <type_traits>

#include "entropy/error.h"

namespace laconic {

void SymbolView::widen(std::size_t first, std::size_t n, std::int64_t *out) const {
    with_symbol_type(type, [&](auto *tag) {
        using T = std::remove_pointer_t<decltype(tag)>;
        const T *in = reinterpret_cast<const T *>(data) + first;
        for (std::size_t j = 0; j < n; ++j) out[j] = in[j];
    });
}

void MutableSymbolView::narrow(std::size_t first, std::size_t n, const std::int64_t *in) const {
    with_symbol_type(type, [&](auto *tag) {
        using T = std::remove_pointer_t<decltype(tag)>;
        T *out = reinterpret_cast<T *>(data) + first;
        std::int64_t lost = 0;
        for (std::size_t j = 0; j < n; ++j) {
            out[j] = static_cast<T>(in[j]);
            lost |= in[j] ^ static_cast<std::int64_t>(out[j]);
        }
        if (lost != 0) throw CorruptData("a decoded symbol does not fit the array's type");
    });
}

}  // namespace laconic
