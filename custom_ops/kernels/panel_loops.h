// The loops of kernels/panel.h over any vector type. Included by the files of each instruction set only, whose vector
// types live in unnamed namespaces: each file then has its own copies of these functions, compiled for its own
// instruction set. For the same reason nothing of the standard library is called here.
//
// A vector type V has
//   V::Vector, V::kLanes, V::load(p), V::store(p, v), V::broadcast(p), V::multiply_add(a, b, c) = a * b + c,
//   V::load_part(p, n) and V::store_part(p, v, n) for the first n < kLanes lanes, touching nothing beyond them.
#pragma once

#include "kernels/panel.h"

namespace onnxdc {

// Sums of enough independent entries run side by side to hide the latency of a multiply-add: 8 is 4 cycles on two
// units.
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
                for (size_t v = 0; v < kVectors; ++v)
                    chain[c][v] = V::multiply_add(value, V::load(from + v * V::kLanes), chain[c][v]);
            }
        }
        for (; entry < end; ++entry) {
            const float* from = panel + entry->column * kPitch;
            const typename V::Vector value = V::broadcast(values + entry->code);
#pragma GCC unroll 8
            for (size_t v = 0; v < kVectors; ++v)
                chain[0][v] = V::multiply_add(value, V::load(from + v * V::kLanes), chain[0][v]);
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
void gather_panel(const float* x, const ptrdiff_t* offsets, size_t rows, const Segment* segments, size_t segment_count,
                  float* panel, size_t pitch) {
    for (size_t row = 0; row < rows; ++row, panel += pitch) {
        for (size_t s = 0; s < segment_count; ++s) {
            const float* from = x + offsets[row] + segments[s].from;
            float* to = panel + segments[s].to;
            size_t left = segments[s].length;
            for (; left >= V::kLanes; left -= V::kLanes, from += V::kLanes, to += V::kLanes)
                V::store_unaligned(to, V::load_unaligned(from));
            // Writes a whole vector: the next segment, or the next row, overwrites what is too much.
            if (left > 0) V::store_unaligned(to, V::load_part(from, left));
        }
    }
}

template <class V>
void scatter_panel(const float* sums, size_t pitch, size_t rows, const Segment* segments, size_t segment_count,
                   float* y, size_t y_pitch) {
    for (size_t row = 0; row < rows; ++row, sums += pitch, y += y_pitch) {
        for (size_t s = 0; s < segment_count; ++s) {
            const float* from = sums + segments[s].to;
            float* to = y + segments[s].from;
            size_t left = segments[s].length;
            for (; left >= V::kLanes; left -= V::kLanes, from += V::kLanes, to += V::kLanes)
                V::store_unaligned(to, V::load_unaligned(from));
            if (left > 0) V::store_part(to, V::load_part(from, left), left);
        }
    }
}

// In squares of 4 x 4, which every vector unit can turn in 8 shuffles.
template <class V>
void transpose_matrix(const float* from, size_t from_pitch, size_t rows, size_t columns, float* to, size_t to_pitch) {
    typedef float Four __attribute__((vector_size(16), aligned(4)));
    size_t row = 0;
    for (; row + 4 <= rows; row += 4) {
        size_t column = 0;
        for (; column + 4 <= columns; column += 4) {
            const float* in = from + row * from_pitch + column;
            const Four a = *reinterpret_cast<const Four*>(in), b = *reinterpret_cast<const Four*>(in + from_pitch);
            const Four c = *reinterpret_cast<const Four*>(in + 2 * from_pitch),
                       d = *reinterpret_cast<const Four*>(in + 3 * from_pitch);
            const Four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5),
                       ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
            const Four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5),
                       cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
            float* out = to + column * to_pitch + row;
            *reinterpret_cast<Four*>(out) = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
            *reinterpret_cast<Four*>(out + to_pitch) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
            *reinterpret_cast<Four*>(out + 2 * to_pitch) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
            *reinterpret_cast<Four*>(out + 3 * to_pitch) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
        }
        for (; column < columns; ++column) {
            for (size_t r = row; r < row + 4; ++r) to[column * to_pitch + r] = from[r * from_pitch + column];
        }
    }
    for (; row < rows; ++row) {
        for (size_t column = 0; column < columns; ++column)
            to[column * to_pitch + row] = from[row * from_pitch + column];
    }
}

// A vector of one float.
template <class V>
struct Single {
    using Vector = float;
    static constexpr size_t kLanes = 1;

    static float zero() { return 0.0f; }
    static float load(const float* p) { return *p; }
    static float load_unaligned(const float* p) { return *p; }
    static float load_part(const float* p, size_t) { return *p; }
    static void store(float* p, float v) { *p = v; }
    static void store_unaligned(float* p, float v) { *p = v; }
    static void store_part(float* p, float v, size_t) { *p = v; }
    static float broadcast(const float* p) { return *p; }
    static float add(float a, float b) { return a + b; }
    static float multiply_add(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
};

// The table of kernels over a vector type.
template <class V>
constexpr PanelKernels make_panel_kernels(Isa isa, const PanelKernels* single) {
    return {isa,
            V::kLanes,
            single,
            {nullptr, multiply_panel<V, 1>, multiply_panel<V, 2>, multiply_panel<V, 3>, multiply_panel<V, 4>,
             multiply_panel<V, 5>, multiply_panel<V, 6>, multiply_panel<V, 7>, multiply_panel<V, 8>},
            gather_panel<V>,
            scatter_panel<V>,
            transpose_matrix<V>};
}

template <class V, Isa kIsa>
const PanelKernels* panel_kernels_of() {
    static constexpr PanelKernels kSingle = make_panel_kernels<Single<V>>(kIsa, nullptr);
    static constexpr PanelKernels kKernels = make_panel_kernels<V>(kIsa, &kSingle);
    return &kKernels;
}

}  // namespace onnxdc
