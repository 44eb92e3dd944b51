// Floats as integers in the order of their values: negative values are complemented, positive ones get the top bit. Neighbouring
// floats differ by 1.
#pragma once

namespace laconic::floats {

// Always inlined: files with flags of their own include this, and none of their code may be linked into another's.
template <class T>
[[gnu::always_inline]] inline T to_ordered(T x) {
    constexpr unsigned top = 8 * sizeof(T) - 1;
    const T negative = static_cast<T>(-(x >> top));
    return static_cast<T>(x ^ (negative | (T{1} << top)));
}

template <class T>
[[gnu::always_inline]] inline T from_ordered(T x) {
    constexpr unsigned top = 8 * sizeof(T) - 1;
    const T negative = static_cast<T>((x >> top) - 1);
    return static_cast<T>(x ^ (negative | (T{1} << top)));
}

}  // namespace laconic::floats
