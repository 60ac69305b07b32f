// Sparse rows times a panel: the inner loops of everything that multiplies several vectors at once, one set for each
// instruction set.
#pragma once

#include <cstddef>

#include "isa/isa.h"
#include "layouts/tiles.h"

namespace onnxdc {

// Lanes that are contiguous in two places: lane to + i of a panel's rows belongs to element from + i of something else.
struct Segment {
    ptrdiff_t from;
    size_t to;
    size_t length;
};

// A panel is a matrix [columns of a tile][lanes], the sums are one [rows][lanes]. Lanes are the images' pixels or the
// rows of a batch, in `vectors` vectors of `lanes` floats: between 1 and kMaxVectors. Panels and sums are aligned to 64
// bytes.
struct PanelKernels {
    static constexpr size_t kMaxVectors = 8;

    Isa isa;
    size_t lanes;

    // The same kernels on vectors of one float, for very few lanes; null in that table itself.
    const PanelKernels* single;

    // sums[row] += the block's rows times the panel, for the kernel of that many vectors.
    void (*multiply[kMaxVectors + 1])(const TileBlock& block, const float* panel, float* sums);

    // Copies `rows` rows of a panel from x + offsets[row], segment by segment (in rising order of `to`). May write less
    // than a vector past the end of a segment, so also past the end of the panel.
    void (*gather)(const float* x, const ptrdiff_t* offsets, size_t rows, const Segment* segments, size_t segment_count,
                   float* panel, size_t pitch);

    // Copies `rows` rows of sums to y + row * y_pitch, segment by segment; here `from` counts from y and `to` is the
    // lane of the sums.
    void (*scatter)(const float* sums, size_t pitch, size_t rows, const Segment* segments, size_t segment_count,
                    float* y, size_t y_pitch);

    // to[column * to_pitch + row] = from[row * from_pitch + column]
    void (*transpose)(const float* from, size_t from_pitch, size_t rows, size_t columns, float* to, size_t to_pitch);
};

// Slack, in floats, that gather() needs behind a panel.
constexpr size_t kPanelSlack = 16;

// How many vectors a panel of `columns` columns should have at most, so that it stays in or near the first cache.
size_t panel_vectors(size_t columns, size_t lanes);

// Null for kScalar, which has none.
const PanelKernels* panel_kernels(Isa isa);

// What the files of each instruction set define.
const PanelKernels* panel_kernels_avx512();
const PanelKernels* panel_kernels_avx2();
const PanelKernels* panel_kernels_neon();

}  // namespace onnxdc
