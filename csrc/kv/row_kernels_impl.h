// The loops of row_kernels.h, included by one file per instruction set: plain C++ that the compiler vectorises with that file's
// flags. Everything is in an anonymous namespace, so that no file's code can be linked into another's.
#pragma once

#include <cmath>

#include "kv/row_kernels.h"

namespace laconic::kv {
namespace {

// Rounds |z| up from .55 on: towards 0 more often than to nearest, as short codes are worth it at low rates.
constexpr float kRounding = 0.45f;
constexpr float kLargestIndex = 0x1p+24f;

void load_here(const uint8_t *raw, size_t n, Element element, float *row) { load_row(raw, n, element, row); }
void store_here(const float *row, size_t n, Element element, uint8_t *raw) { store_row(row, n, element, raw); }

template <size_t Step>
void turn_head(const RowTurn &turn, float sign, float *__restrict first, float *__restrict second) {
    for (size_t i = 0; i < turn.pairs; ++i) {
        const float c = turn.cosines[i], s = sign * turn.sines[i], x = first[Step * i], y = second[Step * i];
        first[Step * i] = x * c - y * s;
        second[Step * i] = x * s + y * c;
    }
}

void turn_here(const RowTurn &turn, bool forward, float *row, size_t n) {
    if (turn.pairs == 0) return;
    const float sign = forward ? 1.0f : -1.0f;
    for (float *head = row; head < row + n; head += turn.head) {
        if (turn.neighbours)
            turn_head<2>(turn, sign, head, head + 1);
        else
            turn_head<1>(turn, sign, head, head + turn.pairs);
    }
}

bool quantise_here(const RowShape &shape, const float *row, float *__restrict room, int32_t *__restrict indices) {
    const size_t n = shape.channels, block = shape.block;
    if (block == 0) {
        for (size_t k = 0; k < n; ++k) room[k] = row[k] - shape.mean[k];
    } else {
        for (size_t k = 0; k < n; ++k) room[k] = 0;
        for (size_t j = 0; j < n; ++j) {
            const float centred = row[j] - shape.mean[j];
            const float *const shares = shape.transposed + j * block;
            float *const components = room + j / block * block;
            for (size_t k = 0; k < block; ++k) components[k] += centred * shares[k];
        }
    }
    int32_t good = 1;
    for (size_t k = 0; k < n; ++k) {
        const float magnitude = std::fabs(room[k]) / shape.step[k] + kRounding;
        const bool fits = magnitude < kLargestIndex;
        const auto index = static_cast<int32_t>(fits ? magnitude : 0.0f);
        indices[k] = room[k] < 0 ? -index : index;
        good &= fits;
    }
    return good != 0;
}

// A component of a block whose index is 0 is passed over.
void reconstruct_here(const RowShape &shape, const int32_t *__restrict indices, float *__restrict row) {
    const size_t n = shape.channels, block = shape.block;
    if (block == 0) {
        for (size_t k = 0; k < n; ++k) row[k] = shape.mean[k] + static_cast<float>(indices[k]) * shape.step[k];
        return;
    }
    for (size_t j = 0; j < n; ++j) row[j] = shape.mean[j];
    for (size_t first = 0; first < n; first += block)
        for (size_t k = first; k < first + block; ++k) {
            if (indices[k] == 0) continue;
            const float value = static_cast<float>(indices[k]) * shape.step[k];
            const float *const shares = shape.basis + k * block;
            float *const channels = row + first;
            for (size_t j = 0; j < block; ++j) channels[j] += value * shares[j];
        }
}

constexpr RowKernels kRowKernelsHere = {load_here, store_here, turn_here, quantise_here, reconstruct_here};

}  // namespace
}  // namespace laconic::kv
