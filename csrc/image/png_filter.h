// PNG's row filters, done and undone (W3C PNG specification, "Filtering").
#pragma once

#include <cstddef>
#include <cstdint>

namespace laconic::image {

// Rows of 1 + stride bytes, the first their filter's kind; `step`: bytes of a pixel. false if a kind is none of PNG's.
bool unfilter_png(const uint8_t *filtered, size_t rows, size_t stride, size_t step, uint8_t *kinds, uint8_t *pixels);
bool filter_png(const uint8_t *pixels, size_t rows, size_t stride, size_t step, const uint8_t *kinds, uint8_t *filtered);

}  // namespace laconic::image
