// Sparse rows of integers times a panel of bytes, on the layout of layouts/quads.h: one set for each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa/isa.h"
#include "layouts/quads.h"
#include "simd/bytes.h"
#include "simd/panel.h"

namespace onnxdc {

// A panel is a matrix [columns of a tile][lanes] of bytes, the sums are one [rows][lanes] of int32 in an order of their
// own. Both are aligned to 64 bytes.
struct BytePanelKernels {
    size_t lanes;

    // sums[row] += the block's rows times the panel.
    void (*multiply)(const QuadBlock& block, const uint8_t* panel, int32_t* sums);

    // y[row][lane] = (sums[row][lane] - zero[lane] * sum[row]) * scale[lane] * alpha * scale[row] + bias[row], lanes in
    // their natural order. y is aligned to 64 bytes.
    void (*finish)(const int32_t* sums, size_t rows, const ByteLanes& lanes, const ByteRows& of_rows, float* y);
};

struct QuadKernels {
    // The panels with most lanes, and those for what fills a part of them only.
    BytePanelKernels wide, narrow;

    // to[column * to_pitch + row] = from[row * from_pitch + column]
    void (*transpose)(const uint8_t* from, size_t from_pitch, size_t rows, size_t columns, uint8_t* to,
                      size_t to_pitch);
    // Fills a panel whose columns are [channels, taps]: of each, segment by segment, the bytes that start
    // offsets[tap] + segment.from after the channel's first, which lies `pitch` after that of the one before. At most
    // 63 bytes more are read after each segment, and written after the panel.
    void (*gather)(const uint8_t* from, size_t pitch, size_t channels, const int64_t* offsets, size_t taps,
                   const Segment* segments, size_t count, uint8_t* panel, size_t lanes);
};

// Null where there are none.
const QuadKernels* quad_kernels(Isa isa);

// What the files of each instruction set define.
extern const QuadKernels kQuadKernelsAvx512Vnni;
extern const QuadKernels kQuadKernelsAvx512;
extern const QuadKernels kQuadKernelsAvxVnni;
extern const QuadKernels kQuadKernelsAvx2;
extern const QuadKernels kQuadKernelsNeonDot;
extern const QuadKernels kQuadKernelsNeon;

}  // namespace onnxdc
