// The loops of simd/panel.h over any vector type. Included by the files of each instruction set only, whose vector
// types live in unnamed namespaces: each file then has its own copies of these functions, compiled for its own
// instruction set. For the same reason nothing of the standard library is called here.
//
// A vector type V has
//   V::Vector, V::kLanes, V::load(p), V::store(p, v), V::broadcast(p), V::multiply_add(a, b, c) = a * b + c,
//   V::load_part(p, n) and V::store_part(p, v, n) for the first n < kLanes lanes, touching nothing beyond them,
//   V::load_lanes(p, lanes) for the lanes whose bits are set, touching no others, zero in these; V::merge(a, b) of two
//   such,
//   V::Values, V::load_values(p) and V::broadcast(values, i) for kValuesAtOnce floats of which one is broadcast,
//   V::kSquare: 16, 8 or 4, the size of the squares that are transposed in registers,
//   V::kSums: so many multiply-adds are under way at a time; V::kMaxVectors: the registers hold so many, and the rest.
#pragma once

#include "simd/panel.h"
#include "simd/transpose_loops.h"

namespace onnxdc {

// Nonzeros are taken this many at a time: their values come with one load where registers can be indexed.
constexpr size_t kValuesAtOnce = 8;
// How many nonzeros ahead they are fetched: the processor's own prefetching ends with each page of 4 KB, which has the
// values of 1024.
constexpr size_t kPrefetch = 512;

// A row's sum is kept in so many parts that the multiply-adds of one nonzero need not wait for those of the one before.
template <class V>
constexpr size_t chains(size_t vectors) {
    size_t count = 1;
    while (count < kValuesAtOnce && count * vectors < V::kSums) count *= 2;
    return count;
}

template <class V, size_t kVectors>
void multiply_panel(const TileBlock& block, const float* panel, float* sums) {
    constexpr size_t kPitch = kVectors * V::kLanes;
    constexpr size_t kChains = chains<V>(kVectors);
    // The state of the loops:
    //   row            the row at hand; those of the block come one after the other, and so do their nonzeros
    //   column, value  the next nonzero of the block: its column within the tile, and what it is
    //   end            `column` after the last nonzero of the row
    //   sum            where the row's sums are before and after the row: kVectors vectors
    //   chain[c][v]    a part of vector v of the sums: of kValuesAtOnce nonzeros, i goes to part i % kChains; what
    //                  is left over, to part 0. The parts together are the sums; part 0 begins with what was there.
    //   values         the values of the kValuesAtOnce nonzeros from `value` on
    //   from, factor   of one nonzero: the panel's row that it meets, kVectors vectors, and its value in all lanes
    const uint16_t* column = block.columns;
    const float* value = block.values;
    for (const TileRow* row = block.rows; row < block.rows + block.row_count; ++row) {
        float* sum = sums + row->row * kPitch;
        typename V::Vector chain[kChains][kVectors];
#pragma GCC unroll 8
        for (size_t v = 0; v < kVectors; ++v) chain[0][v] = V::load(sum + v * V::kLanes);
#pragma GCC unroll 8
        for (size_t c = 1; c < kChains; ++c) {
#pragma GCC unroll 8
            for (size_t v = 0; v < kVectors; ++v) chain[c][v] = V::zero();
        }
        const uint16_t* end = column + row->entries;
        for (; column + kValuesAtOnce <= end; column += kValuesAtOnce, value += kValuesAtOnce) {
            if (block.is_far) {
                __builtin_prefetch(column + kPrefetch);
                __builtin_prefetch(value + kPrefetch);
            }
            const typename V::Values values = V::load_values(value);
#pragma GCC unroll 8
            for (size_t i = 0; i < kValuesAtOnce; ++i) {
                const float* from = panel + column[i] * kPitch;
                const typename V::Vector factor = V::broadcast(values, i);
#pragma GCC unroll 8
                for (size_t v = 0; v < kVectors; ++v)
                    chain[i % kChains][v] =
                        V::multiply_add(factor, V::load(from + v * V::kLanes), chain[i % kChains][v]);
            }
        }
        for (; column < end; ++column, ++value) {
            const float* from = panel + *column * kPitch;
            const typename V::Vector factor = V::broadcast(value);
#pragma GCC unroll 8
            for (size_t v = 0; v < kVectors; ++v)
                chain[0][v] = V::multiply_add(factor, V::load(from + v * V::kLanes), chain[0][v]);
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
void gather_panel(const float* x, size_t x_pitch, size_t rows, const Piece* pieces, size_t count, float* panel,
                  size_t panel_pitch) {
    constexpr uint32_t kAll = (uint32_t{1} << V::kLanes) - 1;
    // The state of the loops:
    //   piece, next    piece .. next - 1 make up the vector at hand
    //   from, second   where lane 0 of the first of these pieces would be in the first row of x, and of the second;
    //                  only what belongs to set lanes may be read
    //   to             the vector in the first row of the panel
    //   row            the row to read and write: row * x_pitch on from `from`, and row * panel_pitch on from `to`
    for (const Piece *piece = pieces, *end = pieces + count; piece < end;) {
        const Piece* next = piece + 1;
        while (next < end && next->vector == piece->vector) ++next;
        // The rows one after the other: their pieces lie alike.
        const float* from = x + piece->from;
        float* to = panel + piece->vector * V::kLanes;
        if (piece->lanes == kAll) {
            for (size_t row = 0; row < rows; ++row)
                V::store(to + row * panel_pitch, V::load_unaligned(from + row * x_pitch));
        } else if (next == piece + 1) {
            for (size_t row = 0; row < rows; ++row)
                V::store(to + row * panel_pitch, V::load_lanes(from + row * x_pitch, piece->lanes));
        } else if (next == piece + 2) {
            const float* second = x + piece[1].from;
            for (size_t row = 0; row < rows; ++row) {
                V::store(to + row * panel_pitch, V::merge(V::load_lanes(from + row * x_pitch, piece->lanes),
                                                          V::load_lanes(second + row * x_pitch, piece[1].lanes)));
            }
        } else {
            for (size_t row = 0; row < rows; ++row) {
                typename V::Vector vector = V::zero();
                for (const Piece* part = piece; part < next; ++part)
                    vector = V::merge(vector, V::load_lanes(x + part->from + row * x_pitch, part->lanes));
                V::store(to + row * panel_pitch, vector);
            }
        }
        piece = next;
    }
}

template <class V>
void scatter_panel(const float* sums, size_t pitch, size_t rows, const Segment* segments, size_t segment_count,
                   float* y, size_t y_pitch) {
    // The state of the loops:
    //   sums, y        the row at hand, as its segments count in both
    //   from, to       the next lane of the segment, and where it goes
    //   left           the lanes of the segment from there on
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

// A vector of one float.
template <class V>
struct Single {
    using Vector = float;
    using Values = const float*;
    static constexpr size_t kLanes = 1;
    static constexpr int kSquare = V::kSquare;
    static constexpr size_t kSums = V::kSums;
    static constexpr size_t kMaxVectors = PanelKernels::kMaxVectors;

    static float zero() { return 0.0f; }
    static float load(const float* p) { return *p; }
    static float load_unaligned(const float* p) { return *p; }
    static float load_part(const float* p, size_t) { return *p; }
    static float load_lanes(const float* p, uint32_t lanes) { return lanes ? *p : 0.0f; }
    static float merge(float a, float b) { return a + b; }
    static void store(float* p, float v) { *p = v; }
    static void store_unaligned(float* p, float v) { *p = v; }
    static void store_part(float* p, float v, size_t) { *p = v; }
    static float broadcast(const float* p) { return *p; }
    static Values load_values(const float* p) { return p; }
    static float broadcast(Values values, size_t i) { return values[i]; }
    static float add(float a, float b) { return a + b; }
    static float multiply_add(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
};

// The table of kernels over a vector type.
template <class V>
constexpr PanelKernels make_panel_kernels(Isa isa, size_t vector_time, const PanelKernels* narrower) {
    return {isa,
            V::kLanes,
            V::kMaxVectors,
            vector_time,
            narrower,
            {nullptr, multiply_panel<V, 1>, multiply_panel<V, 2>, multiply_panel<V, 3>, multiply_panel<V, 4>,
             multiply_panel<V, 5>, multiply_panel<V, 6>, multiply_panel<V, 7>, multiply_panel<V, 8>},
            gather_panel<V>,
            scatter_panel<V>,
            transpose_matrix<V>};
}

}  // namespace onnxdc
