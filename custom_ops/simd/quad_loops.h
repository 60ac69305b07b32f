// The loops of simd/quads.h over any kind of panel. Included by the files of each instruction set only, as
// simd/panel_loops.h is.
//
// A kind of panel P has
//   P::kLanes, in P::kVectors vectors of sums, P::Vector, of P::kVectorLanes lanes each,
//   P::zero(), P::load(p), P::store(p, v), P::add(a, b),
//   P::add_quad(sums, panel, quad), which adds to all sums what the quad makes of the panel,
//   P::kChains: so many quads are under way at a time,
//   P::put_in_order(sums), after which the lanes of the sums are in their natural order,
//   P::finish(sums, zero, row_sum, lane_scale, scale, bias, y): y = (sums - zero * row_sum) * (lane_scale * scale) +
//   bias for one vector, with zero, lane_scale and y in memory.
#pragma once

#include "simd/quads.h"

namespace onnxdc {

template <class P>
void multiply_quads(const QuadBlock& block, const uint8_t* panel, int32_t* sums) {
    // The state of the loops:
    //   row, quad      the row at hand, and its next quad; those of the block come one after the other
    //   chain[c]       a part of the row's sums: of P::kChains quads each goes to another one, what is left over to
    //                  part 0. The parts together are the sums; part 0 begins with what was there.
    const Quad* quad = block.quads;
    for (const QuadRow* row = block.rows; row < block.rows + block.row_count; ++row) {
        int32_t* to = sums + row->row * P::kLanes;
        typename P::Vector chain[P::kChains][P::kVectors];
#pragma GCC unroll 4
        for (size_t v = 0; v < P::kVectors; ++v) {
            chain[0][v] = P::load(to + v * P::kVectorLanes);
#pragma GCC unroll 2
            for (size_t c = 1; c < P::kChains; ++c) chain[c][v] = P::zero();
        }
        const Quad* end = quad + row->quads;
        for (; quad + P::kChains <= end; quad += P::kChains) {
#pragma GCC unroll 2
            for (size_t c = 0; c < P::kChains; ++c) P::add_quad(chain[c], panel, quad[c]);
        }
        for (; quad < end; ++quad) P::add_quad(chain[0], panel, *quad);
#pragma GCC unroll 4
        for (size_t v = 0; v < P::kVectors; ++v) {
#pragma GCC unroll 2
            for (size_t c = 1; c < P::kChains; ++c) chain[0][v] = P::add(chain[0][v], chain[c][v]);
            P::store(to + v * P::kVectorLanes, chain[0][v]);
        }
    }
}

template <class P>
void finish_quads(const int32_t* sums, size_t rows, const ByteLanes& lanes, const ByteRows& of_rows, float* y) {
    // The state of the loop:
    //   row, sums, y   the row at hand, its sums and its outputs
    //   vectors        the sums of all lanes, first in the panel's order, then in the natural one
    //   scale, bias    of the row, for all lanes; `lane` is the first of those at hand
    for (size_t row = 0; row < rows; ++row, sums += P::kLanes, y += P::kLanes) {
        typename P::Vector vectors[P::kVectors];
#pragma GCC unroll 4
        for (size_t v = 0; v < P::kVectors; ++v) vectors[v] = P::load(sums + v * P::kVectorLanes);
        P::put_in_order(vectors);
        const float scale = of_rows.alpha * of_rows.scale[row], bias = of_rows.bias ? of_rows.bias[row] : 0.0f;
#pragma GCC unroll 4
        for (size_t v = 0; v < P::kVectors; ++v) {
            const size_t lane = v * P::kVectorLanes;
            P::finish(vectors[v], lanes.zero + lane, of_rows.sum[row], lanes.scale + lane, scale, bias, y + lane);
        }
    }
}

// Transposes in squares of 8, S::transpose(from, from_pitch, to, to_pitch), what is left over byte by byte.
template <class S>
void transpose_bytes(const uint8_t* from, size_t from_pitch, size_t rows, size_t columns, uint8_t* to,
                     size_t to_pitch) {
    // The state of the loops: row, column are where the square at hand begins.
    const size_t full_rows = rows / 8 * 8, full_columns = columns / 8 * 8;
    for (size_t row = 0; row < full_rows; row += 8) {
        for (size_t column = 0; column < full_columns; column += 8)
            S::transpose(from + row * from_pitch + column, from_pitch, to + column * to_pitch + row, to_pitch);
    }
    for (size_t row = 0; row < rows; ++row) {
        for (size_t column = row < full_rows ? full_columns : 0; column < columns; ++column)
            to[column * to_pitch + row] = from[row * from_pitch + column];
    }
}

// Segments are kLanes long at most.
template <class P>
void gather_bytes(const uint8_t* from, size_t pitch, size_t channels, const int64_t* offsets, size_t taps,
                  const Segment* segments, size_t count, uint8_t* panel, size_t lanes) {
    // The state of the loops: `from` is the channel's first byte, `panel` the column to fill. What is written beyond a
    // segment is overwritten by the next one, or by the next column.
    for (size_t channel = 0; channel < channels; ++channel, from += pitch) {
        for (size_t tap = 0; tap < taps; ++tap, panel += lanes) {
            for (const Segment* segment = segments; segment < segments + count; ++segment)
                __builtin_memcpy(panel + segment->to, from + offsets[tap] + segment->from, P::kLanes);
        }
    }
}

// The table of kernels over two kinds of panels and a way to transpose squares.
template <class Wide, class Narrow, class Square>
constexpr QuadKernels make_quad_kernels() {
    return {{Wide::kLanes, multiply_quads<Wide>, finish_quads<Wide>},
            {Narrow::kLanes, multiply_quads<Narrow>, finish_quads<Narrow>},
            transpose_bytes<Square>,
            gather_bytes<Wide>};
}

}  // namespace onnxdc
