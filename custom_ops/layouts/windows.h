// The execution layout of products with one vector, or a few, where registers can be indexed (AVX-512, AVX2).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "layouts/aligned.h"
#include "layouts/rows.h"

namespace onnxdc {

// How wide the registers are that a layout is made for.
struct WindowForm {
    size_t lanes;         // rows side by side
    uint32_t index_bits;  // 2^index_bits consecutive inputs are a window
    size_t max_codes;     // of a matrix whose values the registers can hold; 0 for none

    size_t window() const { return size_t{1} << index_bits; }
};

// For 16 lanes and windows of 32 inputs: two registers hold a window, and two all values of a 5-bit codebook.
constexpr WindowForm kWideWindows{16, 5, 32};
// For 8 lanes and windows of 16 inputs, two registers again.
constexpr WindowForm kNarrowWindows{8, 4, 0};

// A sparse matrix as a sequence of steps. The rows are sorted by their number of nonzeros; each `lanes` that follow
// each other are a block, in which a row is a lane. A step loads a window of consecutive inputs into two registers;
// each lane then uses up to two of its next nonzeros that meet the window, its two slots of the step. A slot is an
// index into the window and the nonzero's value, which is a 5-bit code where the matrix has at most max_codes values,
// else a float. Steps come in threes:
//   coded:   2 words a lane: slots 0..2 and 3..5 of the three steps, 10 bits each from the lowest: index, code
//   floats:  1 word a lane: the six indices, index_bits each from the lowest; then 6 floats a lane
// A slot without a nonzero has the value 0. Columns are cut into tiles whose inputs stay in the nearest cache; the
// steps lie tile by tile, in a tile block by block.
class Windows {
public:
    static constexpr size_t kMaxLanes = 16;
    static constexpr size_t kStepsAtOnce = 3;
    static constexpr size_t kSlotsOfStep = 2;
    static constexpr size_t kSlots = kStepsAtOnce * kSlotsOfStep;
    static constexpr uint32_t kNoRow = 0xffffffff;

    // A tile, for the inner loops: plain pointers, nothing that the standard library compiles.
    struct Tile {
        const uint32_t* start;  // [blocks + 1], where blocks start in the arrays below, in threes of steps
        const uint16_t* base;   // [steps], where the window starts, counted from the tile's first column
        const uint32_t* words;  // [threes, 2 or 1, lanes]
        const float* floats;    // [threes, 6, lanes] unless coded
        const float* values;    // the matrix's; if coded, with zeros up to max_codes
    };

    Windows(const SparseRows& matrix, const WindowForm& form);

    // The matrix again, but for nonzeros whose value is +0.0.
    SparseRows to_rows() const;

    const WindowForm& form() const { return form_; }
    size_t rows() const { return rows_; }
    size_t columns() const { return columns_; }
    size_t blocks() const { return blocks_; }
    size_t tiles() const { return tiles_; }
    size_t tile_columns() const { return tile_columns_; }  // of every tile but the last, which may have fewer
    bool coded() const { return coded_; }
    // [blocks, lanes]; kNoRow for a lane without a row
    const uint32_t* row_of_lane() const { return row_of_lane_.data(); }

    Tile tile(size_t tile) const {
        return {start_.data() + tile * blocks_, base_.data(), words_.data(), floats_.data(), values_.data()};
    }

private:
    class Schedule;

    // A unit is one block in one tile.
    uint32_t count_threes(const SparseRows& matrix, size_t unit) const;
    void fill_coded(const SparseRows& matrix, size_t unit);
    void fill_floats(const SparseRows& matrix, size_t unit);
    template <class Visit>
    void for_each_slot(size_t block, const Visit& visit) const;

    const WindowForm form_;
    size_t rows_, columns_, blocks_, tiles_, tile_columns_;
    bool coded_;
    std::vector<uint32_t> row_of_lane_;
    std::vector<uint32_t> start_;
    std::vector<uint16_t> base_;
    AlignedVector<uint32_t> words_;
    AlignedVector<float> floats_;
    AlignedVector<float> values_;
};

}  // namespace onnxdc
