#include "image/png_filter.h"

#include <cstdlib>
#include <vector>

namespace laconic::image {
namespace {

enum Filter : uint8_t { kNone = 0, kSub = 1, kUp = 2, kAverage = 3, kPaeth = 4 };

int paeth(int a, int b, int c) {
    const int p = a + b - c, pa = std::abs(p - a), pb = std::abs(p - b), pc = std::abs(p - c);
    return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

// What the filter predicts at byte x of `row`.
template <uint8_t Kind>
int predict(const uint8_t *row, const uint8_t *above, size_t x, size_t step) {
    const int a = x >= step ? row[x - step] : 0, b = above[x], c = x >= step ? above[x - step] : 0;
    if constexpr (Kind == kNone) return 0;
    if constexpr (Kind == kSub) return a;
    if constexpr (Kind == kUp) return b;
    if constexpr (Kind == kAverage) return (a + b) >> 1;
    return paeth(a, b, c);
}

// Calls visit.operator()<Kind>() for a kind of PNG's; false for another.
template <class Visit>
bool with_kind(uint8_t kind, Visit &&visit) {
    switch (kind) {
        case kNone:
            visit.template operator()<kNone>();
            return true;
        case kSub:
            visit.template operator()<kSub>();
            return true;
        case kUp:
            visit.template operator()<kUp>();
            return true;
        case kAverage:
            visit.template operator()<kAverage>();
            return true;
        case kPaeth:
            visit.template operator()<kPaeth>();
            return true;
        default:
            return false;
    }
}

}  // namespace

bool unfilter_png(const uint8_t *filtered, size_t rows, size_t stride, size_t step, uint8_t *kinds, uint8_t *pixels) {
    const std::vector<uint8_t> zeros(stride);
    for (size_t y = 0; y < rows; ++y) {
        const uint8_t *const in = filtered + y * (stride + 1) + 1;
        uint8_t *const row = pixels + y * stride;
        const uint8_t *const above = y > 0 ? row - stride : zeros.data();
        kinds[y] = in[-1];
        const bool known = with_kind(kinds[y], [&]<uint8_t Kind>() {
            for (size_t x = 0; x < stride; ++x) row[x] = static_cast<uint8_t>(in[x] + predict<Kind>(row, above, x, step));
        });
        if (!known) return false;
    }
    return true;
}

bool filter_png(const uint8_t *pixels, size_t rows, size_t stride, size_t step, const uint8_t *kinds, uint8_t *filtered) {
    const std::vector<uint8_t> zeros(stride);
    for (size_t y = 0; y < rows; ++y) {
        uint8_t *const out = filtered + y * (stride + 1) + 1;
        const uint8_t *const row = pixels + y * stride, *const above = y > 0 ? row - stride : zeros.data();
        out[-1] = kinds[y];
        const bool known = with_kind(kinds[y], [&]<uint8_t Kind>() {
            for (size_t x = 0; x < stride; ++x) out[x] = static_cast<uint8_t>(row[x] - predict<Kind>(row, above, x, step));
        });
        if (!known) return false;
    }
    return true;
}

}  // namespace laconic::image
