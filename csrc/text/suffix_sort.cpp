#include "text/suffix_sort.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <vector>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Words: a suffix is of type S if it is smaller than the next one, else L (the last one is L: the empty suffix after it is the
// smallest). An LMS suffix is an S suffix after an L suffix. All suffixes that begin with one symbol form a bucket of the suffix
// array, the L suffixes first.
//
// In the passes below an entry p > 0 asks that suffix p - 1 be put into its bucket; ~p < 0 does not, as p - 1 is of the other
// type than this pass sorts.

namespace laconic::text {

namespace {

// Sorting is bound by reads at random places of the text; what will be read is known this many entries ahead.
constexpr int32_t kAhead = 24;

// Gives equal LMS substrings of a text equal numbers, and finds their order. Texts of a language have few different ones (dickens
// 60,000 in 10 MB, most of up to eight bytes), so that it is quicker to look each up than to sort all by induction.
class Substrings {
public:
    explicit Substrings(std::span<const uint8_t> text)
        : text_(text),
          shift_(64 - std::clamp(static_cast<int>(std::bit_width(text.size())) - 3, 10, 19)),
          slots_(size_t{1} << (64 - shift_)) {}

    struct Substring {
        uint32_t at, length;  // up to and including the first byte of the next
        uint64_t hash;
    };

    // Makes the table ready for it; find() is best called a few later.
    Substring announce(uint32_t at, uint32_t length) const {
        uint64_t hash = (first_eight(at, length) ^ length) * 0x9E3779B97F4A7C15u;
        for (uint32_t i = 8; i < length; i += 8)
            hash = (hash ^ hash >> 29 ^ first_eight(at + i, length - i)) * 0x9E3779B97F4A7C15u;
        __builtin_prefetch(&slots_[hash >> shift_]);
        return {at, length, hash};
    }

    // Its number; -1 where there are too many different ones.
    int32_t find(const Substring &s) {
        const uint64_t key = first_eight(s.at, s.length);
        for (size_t k = s.hash >> shift_, last = k + 64; k != last; ++k) {  // a text may be made for long searches
            Slot &slot = slots_[k & (slots_.size() - 1)];
            if (slot.length == 0) {
                if (different_.size() >= slots_.size() / 2) break;
                slot = {key, s.length, static_cast<int32_t>(different_.size())};
                different_.push_back({s.at, s.length});
                return slot.number;
            }
            if (slot.key == key && slot.length == s.length && same_rest(slot, s.at)) return slot.number;
        }
        return -1;
    }
    // The one at the end of the text, which equals no other.
    int32_t add_last(uint32_t at) {
        different_.push_back({at, static_cast<uint32_t>(text_.size()) - at});
        return static_cast<int32_t>(different_.size() - 1);
    }

    size_t different() const { return different_.size(); }

    // The rank of each number; the last substring has number 0.
    std::vector<int32_t> ranks() const {
        struct Key {
            uint64_t start;  // first byte highest; after the end of a shorter one, ones
            int32_t number;
        };
        std::vector<Key> order;
        order.reserve(different_.size());
        for (size_t n = 0; n < different_.size(); ++n) {
            const auto [at, length] = different_[n];
            const uint64_t start = __builtin_bswap64(first_eight(at, length));
            order.push_back({length < 8 && n > 0 ? start | ~uint64_t{0} >> 8 * length : start, static_cast<int32_t>(n)});
        }
        std::sort(order.begin(), order.end(), [&](const Key &a, const Key &b) {
            return a.start != b.start ? a.start < b.start : smaller(a.number, b.number);
        });
        std::vector<int32_t> ranks(order.size());
        for (size_t k = 0; k < order.size(); ++k) ranks[static_cast<size_t>(order[k].number)] = static_cast<int32_t>(k);
        return ranks;
    }

private:
    struct Slot {
        uint64_t key = 0;
        uint32_t length = 0;
        int32_t number = 0;
    };
    struct Place {
        uint32_t at, length;
    };

    // Up to eight bytes as a number, the first one lowest.
    uint64_t first_eight(uint32_t at, uint32_t length) const {
        uint64_t x = 0;
        if (at + 8 <= text_.size()) {
            std::memcpy(&x, text_.data() + at, 8);
            if constexpr (std::endian::native == std::endian::big) x = __builtin_bswap64(x);
            return length >= 8 ? x : x & ((uint64_t{1} << 8 * length) - 1);
        }
        for (uint32_t i = 0; i < std::min<uint32_t>(length, 8); ++i) x |= uint64_t{text_[at + i]} << 8 * i;
        return x;
    }
    bool same_rest(const Slot &slot, uint32_t at) const {
        return slot.length <= 8 ||
               std::memcmp(text_.data() + at + 8, text_.data() + different_[static_cast<size_t>(slot.number)].at + 8,
                           slot.length - 8) == 0;
    }
    // Where one begins with the other, the end of the shorter is of type S and that place in the longer of type L, thus smaller;
    // what is after the end of the text is the smallest.
    bool smaller(int32_t a, int32_t b) const {
        const Place x = different_[static_cast<size_t>(a)], y = different_[static_cast<size_t>(b)];
        const int order = std::memcmp(text_.data() + x.at, text_.data() + y.at, std::min(x.length, y.length));
        if (order != 0) return order < 0;
        if (a == 0 || b == 0) return a == 0 && b != 0;
        return x.length > y.length;
    }

    std::span<const uint8_t> text_;
    int shift_;
    std::vector<Slot> slots_;
    std::vector<Place> different_;
};

struct Comparison {
    uint64_t less, equal;
};

uint64_t reversed_bits(uint64_t x) {
    x = (x >> 1 & 0x5555555555555555u) | (x & 0x5555555555555555u) << 1;
    x = (x >> 2 & 0x3333333333333333u) | (x & 0x3333333333333333u) << 2;
    x = (x >> 4 & 0x0F0F0F0F0F0F0F0Fu) | (x & 0x0F0F0F0F0F0F0F0Fu) << 4;
    return __builtin_bswap64(x);
}

// Bit k: how text[k] compares to text[k + 1], 64 of them.
template <class Symbol>
Comparison compare_64(const Symbol *text) {
    Comparison bits{};
    for (int k = 0; k < 64; ++k) {
        bits.less |= uint64_t{text[k] < text[k + 1]} << k;
        bits.equal |= uint64_t{text[k] == text[k + 1]} << k;
    }
    return bits;
}

#if defined(__SSE2__)
template <class Symbol>
__m128i load_vector(const Symbol *from) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i *>(from));
}

template <>
Comparison compare_64(const uint8_t *text) {
    Comparison bits{};
    for (int k = 0; k < 64; k += 16) {
        const __m128i a = load_vector(text + k), b = load_vector(text + k + 1);
        const auto equal = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(a, b)));
        const auto not_above = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(a, b), a)));
        bits.less |= uint64_t{not_above & ~equal} << k;
        bits.equal |= uint64_t{equal} << k;
    }
    return bits;
}

template <>
Comparison compare_64(const int32_t *text) {
    Comparison bits{};
    for (int k = 0; k < 64; k += 4) {
        const __m128i a = load_vector(text + k), b = load_vector(text + k + 1);
        const auto mask = [](__m128i v) { return static_cast<uint64_t>(_mm_movemask_ps(_mm_castsi128_ps(v))); };
        bits.less |= mask(_mm_cmplt_epi32(a, b)) << k;
        bits.equal |= mask(_mm_cmpeq_epi32(a, b)) << k;
    }
    return bits;
}
#endif

// Which of 64 suffixes are of type S. Bit k of `less` and `equal` compares the symbol of the k-th, counted from the last one, to
// the symbol after it; `smaller` is 1 if the suffix after all of them is of type S. Among equal symbols the type spreads from
// behind, by the carries of an addition.
uint64_t smaller_types(uint64_t less, uint64_t equal, uint64_t smaller) {
    const uint64_t starts = (less << 1 | smaller) & equal;
    return less | (((equal + starts) ^ equal) & equal);
}

template <class Symbol>
class InducedSort {
public:
    InducedSort(const Symbol *text, int32_t size, int32_t alphabet, int32_t *order)
        : text_(text),
          size_(size),
          order_(order),
          count_(static_cast<size_t>(alphabet)),
          bucket_(static_cast<size_t>(alphabet)) {}

    // order_[k] = start of the k-th smallest suffix.
    void sort() {
        place_lms();
        induce_suffixes();
    }

    void transform(int32_t stride, uint8_t *out, uint32_t *places) {
        place_lms();
        induce_transform(stride - 1, out, places);
    }

private:
    // Puts the LMS suffixes at the ends of their buckets, in order.
    void place_lms() {
        for (int32_t i = 0; i < size_; ++i) ++count_[symbol(i)];
        int32_t lms = 0, names = 0;
        if (!look_up_substrings(lms, names)) {
            lms = place_unsorted_lms();
            if (lms > 1) {
                induce_substrings();
                names = name_substrings(lms);
                gather_names(lms);
            }
        }
        if (lms > 1) sort_lms(lms, names);
        place_sorted_lms(lms);
    }

    size_t symbol(int32_t i) const { return static_cast<size_t>(text_[i]); }

    void bucket_starts() {
        int32_t sum = 0;
        for (size_t c = 0; c < count_.size(); ++c) bucket_[c] = sum, sum += count_[c];
    }
    void bucket_ends() {
        int32_t sum = 0;
        for (size_t c = 0; c < count_.size(); ++c) bucket_[c] = sum += count_[c];
    }

    // Calls visit(i) for all LMS positions, last first. No branch depends on a type: every third would be foreseen wrongly.
    template <class Visit>
    void for_each_lms(Visit &&visit) const {
        uint64_t smaller = 0;  // is i + 1 of type S?
        int32_t i = size_ - 2;
        for (; i >= 63; i -= 64) {
            const Comparison bits = compare_64(text_ + i - 63);
            const uint64_t types = smaller_types(reversed_bits(bits.less), reversed_bits(bits.equal), smaller);
            // Bit k: i + 1 - k is of type S and i - k is of type L.
            for (uint64_t lms = (types << 1 | smaller) & ~types; lms != 0; lms &= lms - 1) visit(i + 1 - std::countr_zero(lms));
            smaller = types >> 63;
        }
        for (; i >= 0; --i) {
            const uint64_t s = text_[i] < text_[i + 1] || (text_[i] == text_[i + 1] && smaller != 0);
            if (smaller > s) visit(i + 1);
            smaller = s;
        }
    }

    int32_t place_unsorted_lms() {
        std::fill_n(order_, size_, 0);
        bucket_ends();
        int32_t found = 0;
        for_each_lms([&](int32_t i) {
            order_[--bucket_[symbol(i)]] = i;
            ++found;
        });
        return found;
    }

    // Names the LMS substrings of a text: the names are then the last entries, in the order of the text. False where there are
    // too many.
    bool look_up_substrings(int32_t &lms, int32_t &names) {
        if constexpr (sizeof(Symbol) == 1) {
            Substrings substrings({text_, static_cast<size_t>(size_)});
            constexpr size_t kPending = 16;
            std::array<Substrings::Substring, kPending> pending;
            int32_t next = -1, seen = 0;
            bool few = true;
            const auto find = [&] {  // the one that was announced first
                const int32_t number = substrings.find(pending[static_cast<size_t>(seen) % kPending]);
                order_[size_ - 2 - seen++] = number;
                few = few && number >= 0 && (seen % 4096 != 0 || substrings.different() < static_cast<size_t>(seen) / 4 + 2048);
            };
            int32_t announced = 0;
            for_each_lms([&](int32_t p) {
                if (!few) return;
                if (next < 0) {
                    order_[size_ - 1] = substrings.add_last(static_cast<uint32_t>(p));
                } else {
                    if (announced - seen == kPending) find();
                    pending[static_cast<size_t>(announced++) % kPending] =
                        substrings.announce(static_cast<uint32_t>(p), static_cast<uint32_t>(next - p + 1));
                }
                next = p;
            });
            while (few && seen < announced) find();
            if (!few) return false;
            const int32_t k = next < 0 ? size_ : size_ - 1 - seen;
            const std::vector<int32_t> ranks = substrings.ranks();
            for (int32_t i = k; i < size_; ++i) order_[i] = ranks[static_cast<size_t>(order_[i])];
            lms = size_ - k;
            names = static_cast<int32_t>(ranks.size());
            return true;
        }
        return false;
    }

    void prefetch_text(int32_t entry) const {
        const int32_t p = entry ^ entry >> 31;
        __builtin_prefetch(text_ + (p > 0 ? p - 1 : 0));
    }
    // For large alphabets the buckets are read at random too.
    void prefetch_bucket(int32_t entry) const {
        if constexpr (sizeof(Symbol) > 1)
            if (entry > 0) __builtin_prefetch(&bucket_[symbol(entry - 1)], 1);
    }
    void look_ahead(int32_t i) const {
        if (i + 2 * kAhead < size_) prefetch_text(order_[i + 2 * kAhead]), prefetch_bucket(order_[i + kAhead]);
    }
    void look_back(int32_t i) const {
        if (i - 2 * kAhead >= 0) prefetch_text(order_[i - 2 * kAhead]), prefetch_bucket(order_[i - kAhead]);
    }

    void put_larger(int32_t p) {  // an L suffix, after those of its bucket that are already there
        const Symbol c = text_[p];
        order_[bucket_[static_cast<size_t>(c)]++] = p > 0 && text_[p - 1] >= c ? p : ~p;
    }
    void put_smaller(int32_t p) {  // an S suffix, before them
        const Symbol c = text_[p];
        order_[--bucket_[static_cast<size_t>(c)]] = p > 0 && text_[p - 1] <= c ? p : ~p;
    }

    // Sorts the LMS substrings (from one LMS position to the next): afterwards they are the negative entries.
    void induce_substrings() {
        bucket_starts();
        put_larger(size_ - 1);
        for (int32_t i = 0; i < size_; ++i) {
            look_ahead(i);
            const int32_t p = order_[i];
            if (p > 0) {
                order_[i] = 0;
                put_larger(p - 1);
            } else if (p < 0) {
                order_[i] = ~p;
            }
        }
        bucket_ends();
        for (int32_t i = size_ - 1; i >= 0; --i) {
            look_back(i);
            const int32_t p = order_[i];
            if (p > 0) {
                order_[i] = 0;
                put_smaller(p - 1);
            }
        }
    }

    bool equal(int32_t a, int32_t b, int32_t n) const {
        if constexpr (sizeof(Symbol) == 1) {
            if (n <= 8 && std::max(a, b) + 8 <= size_) {  // as nearly all are: a call would cost more
                uint64_t x, y;
                std::memcpy(&x, text_ + a, 8);
                std::memcpy(&y, text_ + b, 8);
                const int others = 64 - 8 * n;
                return (std::endian::native == std::endian::big ? (x ^ y) >> others : (x ^ y) << others) == 0;
            }
        }
        return std::equal(text_ + a, text_ + a + n, text_ + b);
    }

    // Equal substrings get equal names, in order: order_[lms + p / 2] = name of the substring at p, -1 between them. LMS
    // positions are at least two apart, so that p / 2 is unique and all fits.
    int32_t name_substrings(int32_t lms) {
        int32_t m = 0;
        for (int32_t i = 0; m < lms; ++i)
            if (order_[i] < 0 && order_[i] != -1) order_[m++] = ~order_[i];
        int32_t *const by_position = order_ + lms;
        std::fill(by_position, order_ + size_, -1);
        int32_t next = -1;
        for_each_lms([&](int32_t p) {
            by_position[p >> 1] = next < 0 ? 0 : next - p + 1;  // lengths; the last has none and equals no other
            next = p;
        });
        int32_t names = 0, before = 0, length = 0;
        for (int32_t i = 0; i < lms; ++i) {
            if (i + 2 * kAhead < lms) {
                __builtin_prefetch(&by_position[order_[i + 2 * kAhead] >> 1], 1);
                __builtin_prefetch(text_ + order_[i + kAhead]);
            }
            const int32_t p = order_[i], n = by_position[p >> 1];
            const bool same = n == length && n > 0 && equal(p, before, n);
            if (!same) ++names;
            by_position[p >> 1] = names - 1;
            before = p;
            length = n;
        }
        return names;
    }

    // Moves them to the end.
    void gather_names(int32_t lms) {
        for (int32_t from = size_ - 1, to = lms; from >= lms; --from)
            if (order_[from] >= 0) order_[size_ - lms + --to] = order_[from];
    }

    // order_[0 .. lms) = the LMS positions in the order of their suffixes.
    void sort_lms(int32_t lms, int32_t names) {
        int32_t *const reduced = order_ + size_ - lms;  // the names in the order of the text
        if (names < lms) {
            InducedSort<int32_t>(reduced, lms, names, order_).sort();
        } else {
            for (int32_t i = 0; i < lms; ++i) order_[reduced[i]] = i;
        }
        int32_t k = lms;
        for_each_lms([&](int32_t p) { reduced[--k] = p; });
        for (int32_t i = 0; i < lms; ++i) {
            if (i + kAhead < lms) __builtin_prefetch(&reduced[order_[i + kAhead]]);
            order_[i] = reduced[order_[i]];
        }
    }

    // Moves them from order_[0 .. lms) to the ends of their buckets.
    void place_sorted_lms(int32_t lms) {
        if (lms == 1) {
            std::fill_n(order_, size_, 0);
            for_each_lms([&](int32_t p) { order_[0] = p; });
        }
        std::fill(order_ + lms, order_ + size_, 0);
        bucket_ends();
        for (int32_t i = lms - 1; i >= 0; --i) {
            if (i >= kAhead) __builtin_prefetch(text_ + order_[i - kAhead]);
            const int32_t p = order_[i];
            order_[i] = 0;
            order_[--bucket_[symbol(p)]] = p;
        }
    }

    void induce_suffixes() {
        bucket_starts();
        put_larger(size_ - 1);
        for (int32_t i = 0; i < size_; ++i) {
            look_ahead(i);
            const int32_t p = order_[i];
            order_[i] = ~p;
            if (p > 0) put_larger(p - 1);
        }
        bucket_ends();
        for (int32_t i = size_ - 1; i >= 0; --i) {
            look_back(i);
            const int32_t p = order_[i];
            if (p > 0)
                put_smaller(p - 1);
            else if (p < 0)
                order_[i] = ~p;
        }
    }

    // The same, but of a suffix only the symbol before it is kept, once it is known, and is what this is about: its place, final
    // when it is put there, is noted for the multiples of the stride (`within` is the stride - 1), and the symbols are what is
    // written.
    void induce_transform(int32_t within, uint8_t *out, uint32_t *places) {
        const Symbol *const text = text_;
        int32_t *const order = order_, *const bucket = bucket_.data();
        const auto note = [&](int32_t p, int32_t place) {
            if ((p & within) == 0) [[unlikely]]
                places[p / (within + 1)] = static_cast<uint32_t>(place);
        };
        bucket_starts();
        const auto put_l = [&](int32_t p) {
            const Symbol c = text[p];
            const int32_t place = bucket[c]++;
            note(p, place);
            order[place] = p > 0 && text[p - 1] >= c ? p : ~p;
        };
        put_l(size_ - 1);
        for (int32_t i = 0; i < size_; ++i) {
            look_ahead(i);
            const int32_t p = order[i];
            if (p > 0) {
                order[i] = ~static_cast<int32_t>(text[p - 1]);
                put_l(p - 1);
            } else {
                order[i] = ~p;
            }
        }
        bucket_ends();
        uint8_t *to = out + size_;
        for (int32_t i = size_ - 1; i >= 0; --i) {
            look_back(i);
            const int32_t p = order[i];
            if (p > 0) {
                const int32_t q = p - 1;
                const Symbol c = text[q];
                *--to = c;
                const int32_t place = --bucket[c];
                note(q, place);
                order[place] = q == 0 || text[q - 1] <= c ? q : ~static_cast<int32_t>(text[q - 1]);
            } else if (p < 0) {
                *--to = static_cast<uint8_t>(~p);
            }
        }
        *--to = text[size_ - 1];
    }

    const Symbol *text_;
    int32_t size_;
    int32_t *order_;
    std::vector<int32_t> count_, bucket_;
};

}  // namespace

void transform_by_sorting(std::span<const uint8_t> bytes, std::span<int32_t> work, size_t stride, uint8_t *out,
                          uint32_t *places) {
    InducedSort<uint8_t>(bytes.data(), static_cast<int32_t>(bytes.size()), 256, work.data())
        .transform(static_cast<int32_t>(stride), out, places);
}

}  // namespace laconic::text
