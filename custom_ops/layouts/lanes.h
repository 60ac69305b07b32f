// The execution layout of products on bytes where a register of 64 bytes can be indexed by byte (AVX-512 with VBMI).
// docs/kernels.md has a drawing of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "layouts/aligned.h"
#include "layouts/integer_rows.h"
#include "layouts/window_schedule.h"

namespace onnxdc {

// Four slots for each of 16 lanes, those of a lane side by side: where the window has a byte, and what to multiply it
// by. A slot without a nonzero has zeros.
struct alignas(64) LaneStep {
    uint8_t index[64];
    int8_t weight[64];
};

// The steps of one band in one tile, for the inner loops: plain pointers, nothing that the standard library compiles.
struct LaneBand {
    const uint32_t* start;  // [kBandBlocks + 1], where the steps of each block start in the arrays below
    const uint32_t* base;   // where the window of each step starts, counted from the first column of all
    const LaneStep* step;
};

// A sparse matrix as a sequence of steps. 64 rows are a band, and within it sorted by their number of nonzeros; each 16
// that follow each other are a block, in which a row is a lane. A step looks at a window of 64 consecutive inputs; each
// lane then uses up to four of its next nonzeros that meet the window, its slots of the step. The columns are cut into
// spans, and no nonzero has a slot of a window that starts in another span: the inputs of two spans need not lie one
// after the other. Some spans are a tile, whose inputs stay in the nearest cache; the steps lie tile by tile, in a tile
// block by block. A step takes 132 bytes, for 40 to 60 nonzeros in most matrices.
class WindowLanes {
public:
    static constexpr size_t kLanes = 16;
    static constexpr size_t kSlots = 4;  // of a lane in a step
    static constexpr size_t kWindow = 64;
    // Windows start at multiples of it, counted from the first column of their span. Finer ones would fill more slots,
    // but a load that crosses a cache line takes as long as two.
    static constexpr size_t kBaseUnit = 32;
    static constexpr size_t kBandBlocks = 4;
    static constexpr size_t kBandRows = kBandBlocks * kLanes;
    // A window is loaded as a whole: so many bytes after those of a span may be read, at most.
    static constexpr size_t kOverread = kWindow - 1;

    // Rows first_row .. first_row + row_count - 1 of a matrix; the first of them becomes row 0. The last span, and the
    // last tile, may be narrower than the others.
    WindowLanes(const IntegerRows& matrix, size_t first_row, size_t row_count, size_t span_columns, size_t tile_spans);

    size_t rows() const { return rows_; }
    size_t columns() const { return columns_; }
    size_t span_columns() const { return span_columns_; }
    size_t tiles() const { return tiles_; }
    size_t bands() const { return bands_; }
    size_t first_row_of_band(size_t band) const { return band < bands_ ? band * kBandRows : rows_; }
    size_t steps() const { return steps_.size(); }
    // Of all steps: [steps].
    const uint32_t* bases() const { return base_.data(); }

    LaneBand band(size_t tile, size_t band) const {
        return {start_.data() + (tile * bands_ + band) * kBandBlocks, base_.data(), steps_.data()};
    }
    // Where each row of the band is: block * kLanes + lane. [kBandRows], of which those without a row are unspecified.
    const uint8_t* places(size_t band) const { return place_.data() + band * kBandRows; }

private:
    ColumnWindow choose_window(const WindowSchedule& schedule) const;
    std::vector<uint32_t> sort_rows(const IntegerRows& matrix, size_t first_row);

    size_t rows_, columns_, span_columns_, tile_columns_, tiles_, bands_;
    std::vector<uint8_t> place_;   // [bands, kBandRows]
    std::vector<uint32_t> start_;  // [tiles * bands * kBandBlocks + 1]
    std::vector<uint32_t> base_;   // [steps]
    AlignedVector<LaneStep> steps_;
};

}  // namespace onnxdc
