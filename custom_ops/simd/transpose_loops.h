// Transposing a matrix, in squares that lie in registers. Included by the files of each instruction set only, as
// simd/panel_loops.h is. V is the vector type of the file, of which only V::kSquare is used: 16, 8 or 4.
#pragma once

#include <utility>

#include "simd/vectors.h"

namespace onnxdc {

// Transposes a square of kSize vectors: swaps the off-diagonal quarters of each of its smaller squares of 2 * kHalf,
// and goes on with these quarters. `lanes` counts the lanes: 0, 1, .. kSize - 1.
template <class V, int kSize, int kHalf, int... kLane>
inline void swap_halves(typename Lanes<kSize>::Vector (&square)[kSize], std::integer_sequence<int, kLane...> lanes) {
#pragma GCC unroll 16
    for (int i = 0; i < kSize; ++i) {
        if (i & kHalf) continue;
        const typename Lanes<kSize>::Vector a = square[i], b = square[i + kHalf];
        square[i] = shuffle<(kLane & kHalf ? kSize + kLane - kHalf : kLane)...>(a, b);
        square[i + kHalf] = shuffle<(kLane & kHalf ? kSize + kLane : kLane + kHalf)...>(a, b);
    }
    if constexpr (kHalf > 1) swap_halves<V, kSize, kHalf / 2>(square, lanes);
}

template <class V, int kSize>
inline void transpose_square(const float* from, size_t from_pitch, float* to, size_t to_pitch) {
    using Unaligned = typename Lanes<kSize>::Unaligned;
    typename Lanes<kSize>::Vector square[kSize];
#pragma GCC unroll 16
    for (size_t i = 0; i < kSize; ++i) square[i] = *reinterpret_cast<const Unaligned*>(from + i * from_pitch);
    swap_halves<V, kSize, kSize / 2>(square, std::make_integer_sequence<int, kSize>());
#pragma GCC unroll 16
    for (size_t i = 0; i < kSize; ++i) *reinterpret_cast<Unaligned*>(to + i * to_pitch) = square[i];
}

// In squares, what is left over in smaller ones.
template <class V, int kSize>
inline void transpose_squares(const float* from, size_t from_pitch, size_t rows, size_t columns, float* to,
                              size_t to_pitch) {
    // The state of the loops: row, column are where the square at hand begins; what lies before it in its row of
    // squares, and all rows of squares above, is transposed. What lies beyond full_rows or full_columns is for smaller
    // squares.
    const size_t full_rows = rows / kSize * kSize, full_columns = columns / kSize * kSize;
    for (size_t row = 0; row < full_rows; row += kSize) {
        for (size_t column = 0; column < full_columns; column += kSize) {
            const float* square = from + row * from_pitch + column;
            if constexpr (kSize == 1) {
                to[column * to_pitch + row] = *square;
            } else {
                transpose_square<V, kSize>(square, from_pitch, to + column * to_pitch + row, to_pitch);
            }
        }
    }
    if constexpr (kSize > 1) {
        constexpr int kSmaller = kSize > 4 ? 4 : 1;
        transpose_squares<V, kSmaller>(from + full_columns, from_pitch, full_rows, columns - full_columns,
                                       to + full_columns * to_pitch, to_pitch);
        transpose_squares<V, kSmaller>(from + full_rows * from_pitch, from_pitch, rows - full_rows, columns,
                                       to + full_rows, to_pitch);
    }
}

template <class V>
void transpose_matrix(const float* from, size_t from_pitch, size_t rows, size_t columns, float* to, size_t to_pitch) {
    transpose_squares<V, V::kSquare>(from, from_pitch, rows, columns, to, to_pitch);
}

}  // namespace onnxdc
