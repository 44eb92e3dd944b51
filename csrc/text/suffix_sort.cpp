#include "text/suffix_sort.h"

#include <algorithm>
#include <vector>

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

template <class Symbol>
class InducedSort {
public:
    InducedSort(const Symbol *text, int32_t size, int32_t alphabet, int32_t *order)
        : text_(text),
          size_(size),
          order_(order),
          count_(static_cast<size_t>(alphabet)),
          bucket_(static_cast<size_t>(alphabet)) {}

    void run() {
        for (int32_t i = 0; i < size_; ++i) ++count_[symbol(i)];
        const int32_t lms = place_unsorted_lms();
        if (lms > 1) {
            induce_substrings();
            const int32_t names = name_substrings(lms);
            sort_lms(lms, names);
        }
        place_sorted_lms(lms);
        induce_suffixes();
    }

private:
    size_t symbol(int32_t i) const { return static_cast<size_t>(text_[i]); }

    void bucket_starts() {
        int32_t sum = 0;
        for (size_t c = 0; c < count_.size(); ++c) bucket_[c] = sum, sum += count_[c];
    }
    void bucket_ends() {
        int32_t sum = 0;
        for (size_t c = 0; c < count_.size(); ++c) bucket_[c] = sum += count_[c];
    }

    // Calls visit(i) for all LMS positions, last first.
    template <class Visit>
    void for_each_lms(Visit &&visit) const {
        bool smaller = false;  // is i + 1 of type S?
        for (int32_t i = size_ - 2; i >= 0; --i) {
            const bool s = text_[i] < text_[i + 1] || (text_[i] == text_[i + 1] && smaller);
            if (smaller && !s) visit(i + 1);
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
            const bool same = n == length && n > 0 && std::equal(text_ + p, text_ + p + n, text_ + before);
            if (!same) ++names;
            by_position[p >> 1] = names - 1;
            before = p;
            length = n;
        }
        return names;
    }

    // order_[0 .. lms) = the LMS positions in the order of their suffixes.
    void sort_lms(int32_t lms, int32_t names) {
        int32_t *const reduced = order_ + size_ - lms;  // the names in the order of the text
        for (int32_t from = size_ - 1, to = lms; from >= lms; --from)
            if (order_[from] >= 0) reduced[--to] = order_[from];
        if (names < lms) {
            InducedSort<int32_t>(reduced, lms, names, order_).run();
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

    const Symbol *text_;
    int32_t size_;
    int32_t *order_;
    std::vector<int32_t> count_, bucket_;
};

}  // namespace

void sort_suffixes(std::span<const uint8_t> bytes, std::span<int32_t> order) {
    if (!bytes.empty()) InducedSort<uint8_t>(bytes.data(), static_cast<int32_t>(bytes.size()), 256, order.data()).run();
}

}  // namespace laconic::text
