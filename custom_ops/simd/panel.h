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

// Lanes of a vector that are contiguous elsewhere: lane i, if bit i of `lanes` is set, is element from + i.
struct Piece {
    ptrdiff_t from;
    uint32_t lanes;
    uint32_t vector;  // which of the vectors of a panel's row
};

// A panel is a matrix [columns of a tile][lanes], the sums are one [rows][lanes]. Lanes are the images' pixels or the
// rows of a batch, in `vectors` vectors of `lanes` floats: between 1 and kMaxVectors. Panels and sums are aligned to 64
// bytes.
struct PanelKernels {
    static constexpr size_t kMaxVectors = 8;

    Isa isa;
    // The floats of a vector.
    size_t lanes;
    // The kernels are fastest on so many vectors, and slower on more.
    size_t max_vectors;
    // What a multiply-add of a vector takes, in a unit that all tables have in common.
    size_t vector_time;
    // The same kernels on shorter vectors, for numbers of lanes that fill them better; null for vectors of one float.
    const PanelKernels* narrower;

    // sums[row] += the block's rows times the panel, for the kernel of that many vectors.
    void (*multiply[kMaxVectors + 1])(const TileBlock& block, const float* panel, float* sums);

    // Puts the vectors of some rows of a panel together from their pieces in x, x + x_pitch and so on; the pieces of a
    // vector follow each other. Lanes without a piece become zero.
    void (*gather)(const float* x, size_t x_pitch, size_t rows, const Piece* pieces, size_t count, float* panel,
                   size_t panel_pitch);

    // Copies `rows` rows of sums to y + row * y_pitch, segment by segment; here `from` counts from y and `to` is the
    // lane of the sums.
    void (*scatter)(const float* sums, size_t pitch, size_t rows, const Segment* segments, size_t segment_count,
                    float* y, size_t y_pitch);

    // to[column * to_pitch + row] = from[row * from_pitch + column]
    void (*transpose)(const float* from, size_t from_pitch, size_t rows, size_t columns, float* to, size_t to_pitch);
};

// Those of `kernels` and the narrower ones whose vectors that many lanes fill best.
const PanelKernels& best_fit(const PanelKernels& kernels, size_t lanes);

// Null for kScalar, which has none.
const PanelKernels* panel_kernels(Isa isa);

// What the files of each instruction set define.
extern const PanelKernels kPanelKernelsAvx512;
extern const PanelKernels kPanelKernelsAvx2;
extern const PanelKernels kPanelKernelsNeon;

}  // namespace onnxdc
