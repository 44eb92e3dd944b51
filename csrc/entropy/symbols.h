// Arrays of symbols of the six integer types that the coders take, seen as 64-bit integers a piece at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace laconic {

enum class SymbolType : std::uint8_t { u8, i8, u16, i16, u32, i32 };

// Calls f with a null pointer of the C++ type.
template <class F>
decltype(auto) with_symbol_type(SymbolType type, F &&f) {
    switch (type) {
        case SymbolType::u8:
            return f(static_cast<std::uint8_t *>(nullptr));
        case SymbolType::i8:
            return f(static_cast<std::int8_t *>(nullptr));
        case SymbolType::u16:
            return f(static_cast<std::uint16_t *>(nullptr));
        case SymbolType::i16:
            return f(static_cast<std::int16_t *>(nullptr));
        case SymbolType::u32:
            return f(static_cast<std::uint32_t *>(nullptr));
        default:
            return f(static_cast<std::int32_t *>(nullptr));
    }
}

inline std::size_t symbol_size(SymbolType type) { return std::size_t{1} << (static_cast<unsigned>(type) / 2); }

struct SymbolView {
    const std::uint8_t *data;
    std::size_t size;
    SymbolType type;

    SymbolView part(std::size_t first, std::size_t n) const { return {data + first * symbol_size(type), n, type}; }
    void widen(std::size_t first, std::size_t n, std::int64_t *out) const;
};

struct MutableSymbolView {
    std::uint8_t *data;
    std::size_t size;
    SymbolType type;

    MutableSymbolView part(std::size_t first, std::size_t n) const { return {data + first * symbol_size(type), n, type}; }
    // CorruptData if a symbol does not fit the type: the model decoded something that was never encoded from such an array.
    void narrow(std::size_t first, std::size_t n, const std::int64_t *in) const;
};

}  // namespace laconic
