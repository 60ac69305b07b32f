// The loops of kernels/panel.h over any vector type. Included by the files of each instruction set only, whose vector types live in unnamed
// namespaces: each file then has its own copies of these functions, compiled for its own instruction set. For the same reason nothing
// of the standard library is called here.
//
// A vector type V has
//   V::Vector, V::kLanes, V::load(p), V::store(p, v), V::broadcast(p), V::multiply_add(a, b, c) = a * b + c,
//   V::load_part(p, n) and V::store_part(p, v, n) for the first n < kLanes lanes, touching nothing beyond them.
#pragma once

#include "kernels/panel.h"

namespace onnxdc {

// Sums of enough independent entries run side by side to hide the latency of a multiply-add: 8 is 4 cycles on two units.
template <class V, size_t kVectors>
void multiply_panel(const TileBlock& block, const float* panel, float* sums) {
    constexpr size_t kPitch = kVectors * V::kLanes;
    constexpr size_t kChains = kVectors >= 5 ? 1 : kVectors >= 3 ? 2 : 4;
    const TileEntry* entry = block.entries;
    const float* values = block.values;
    for (size_t r = 0; r < block.row_count; ++r) {
        float* sum = sums + block.rows[r].row * kPitch;
        typename V::Vector chain[kChains][kVectors];
#pragma GCC unroll 8
        for (size_t v = 0; v < kVectors; ++v) chain[0][v] = V::load(sum + v * V::kLanes);
#pragma GCC unroll 8
        for (size_t c = 1; c < kChains; ++c) {
#pragma GCC unroll 8
            for (size_t v = 0; v < kVectors; ++v) chain[c][v] = V::zero();
        }
        const TileEntry* end = entry + block.rows[r].entries;
        for (; entry + kChains <= end; entry += kChains) {
#pragma GCC unroll 8
            for (size_t c = 0; c < kChains; ++c) {
                const float* from = panel + entry[c].column * kPitch;
                const typename V::Vector value = V::broadcast(values + entry[c].code);
#pragma GCC unroll 8
                for (size_t v = 0; v < kVectors; ++v) chain[c][v] = V::multiply_add(value, V::load(from + v * V::kLanes), chain[c][v]);
            }
        }
        for (; entry < end; ++entry) {
            const float* from = panel + entry->column * kPitch;
            const typename V::Vector value = V::broadcast(values + entry->code);
#pragma GCC unroll 8
            for (size_t v = 0; v < kVectors; ++v) chain[0][v] = V::multiply_add(value, V::load(from + v * V::kLanes), chain[0][v]);
        }
#pragma GCC unroll 8
        for (size_t v = 0; v < kVectors; ++v) {
            typename V::Vector total = chain[0][v];
#pragma GCC unroll 8
            for (size_t c = 1; c < kChains; ++c) total = V::add(total, chain[c][v]);
            V::store(sum + v * V::kLanes, total);
        }
    }
}

template <class V>
void gather_panel(const float* x, const ptrdiff_t* offsets, size_t rows, const Segment* segments, size_t segment_count, float* panel,
                  size_t pitch) {
    for (size_t row = 0; row < rows; ++row, panel += pitch) {
        for (size_t s = 0; s < segment_count; ++s) {
            const float* from = x + offsets[row] + segments[s].from;
            float* to = panel + segments[s].to;
            size_t left = segments[s].length;
            for (; left >= V::kLanes; left -= V::kLanes, from += V::kLanes, to += V::kLanes) V::store_unaligned(to, V::load_unaligned(from));
            // Writes a whole vector: the next segment, or the next row, overwrites what is too much.
            if (left > 0) V::store_unaligned(to, V::load_part(from, left));
        }
    }
}

template <class V>
void scatter_panel(const float* sums, size_t pitch, size_t rows, const Segment* segments, size_t segment_count, float* y, size_t y_pitch) {
    for (size_t row = 0; row < rows; ++row, sums += pitch, y += y_pitch) {
        for (size_t s = 0; s < segment_count; ++s) {
            const float* from = sums + segments[s].to;
            float* to = y + segments[s].from;
            size_t left = segments[s].length;
            for (; left >= V::kLanes; left -= V::kLanes, from += V::kLanes, to += V::kLanes) V::store_unaligned(to, V::load_unaligned(from));
            if (left > 0) V::store_part(to, V::load_part(from, left), left);
        }
    }
}

// The table of kernels over a vector type.
template <class V>
constexpr PanelKernels make_panel_kernels() {
    return {V::kLanes,
            {nullptr, multiply_panel<V, 1>, multiply_panel<V, 2>, multiply_panel<V, 3>, multiply_panel<V, 4>, multiply_panel<V, 5>,
             multiply_panel<V, 6>, multiply_panel<V, 7>, multiply_panel<V, 8>},
            gather_panel<V>,
            scatter_panel<V>};
}

}  // namespace onnxdc
