// The Burrows-Wheeler transform (M. Burrows, D. J. Wheeler, 1994) of blocks up to 16 MiB, and its inverse.
//
// The rotations are those of the text and an end mark that is smaller than every byte: row 0 begins with the mark, row k + 1 with
// the k-th smallest suffix. The transform is the last column without the mark, as many bytes as the text. `rows[j]` = k for the
// suffix at j * bwt_stride(size): the inverse starts at all of them at once, because one walk alone waits for memory at each
// step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace laconic::text {

constexpr size_t kMaxBwtBytes = size_t{1} << 24;
constexpr size_t kMaxBwtRows = 16;

// Bytes from one start to the next: 4 KiB to 1 MiB, a power of two, for at most kMaxBwtRows starts.
size_t bwt_stride(size_t size);
size_t bwt_rows(size_t size);

// Writes the transform of `bytes` to `out` of the same size, and returns the rows. Takes 4 bytes of memory for each byte.
std::vector<uint32_t> forward_bwt(std::span<const uint8_t> bytes, uint8_t *out);

// The inverse; CorruptData if the rows are impossible. Takes 4 bytes of memory for each byte.
void inverse_bwt(std::span<const uint8_t> transform, std::span<const uint32_t> rows, uint8_t *out);

}  // namespace laconic::text
