// The execution layout of products on bytes with many lanes: nonzeros in fours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "layouts/integer_rows.h"

namespace onnxdc {

// Four nonzeros of a row, or fewer and weights of 0. Bytes times the first two weights, and times the last two, add up
// to less than 2^15 in magnitude: the magnitudes of two weights are 128 together at most.
struct Quad {
    uint16_t column[4];  // counted from the tile's first column
    int8_t weight[4];
};

// The quads of one row in one tile.
struct QuadRow {
    uint16_t row;    // counted from the band's first row
    uint16_t quads;  // so many follow for the row, at least 1
};

// The quads of one tile in one band: those of rows[0] first, then those of rows[1] and so on.
struct QuadBlock {
    const QuadRow* rows;
    size_t row_count;
    const Quad* quads;
};

// A sparse matrix cut into tiles of columns and bands of rows, as SparseTiles is. Takes 3 bytes a slot of a quad.
class QuadTiles {
public:
    static constexpr size_t kBandRows = 128;

    // Rows first_row .. first_row + row_count - 1 of a matrix; the first of them becomes row 0.
    QuadTiles(const IntegerRows& matrix, size_t first_row, size_t row_count);

    size_t rows() const { return rows_; }
    size_t columns() const { return columns_; }
    // Every tile has so many, but for the last, which may have fewer.
    size_t tile_columns() const { return tile_columns_; }
    size_t tiles() const { return tiles_; }
    size_t bands() const { return bands_; }
    size_t first_row_of_band(size_t band) const { return band < bands_ ? band * kBandRows : rows_; }

    QuadBlock block(size_t tile, size_t band) const;

private:
    // Where a block starts in each array.
    struct Start {
        uint32_t row, quad;
    };

    // One nonzero.
    struct Slot {
        uint16_t column;
        int8_t weight;
    };

    void append_block(const IntegerRows& matrix, const uint32_t* row_ends, size_t band, size_t tile, uint32_t* next);
    static void sort_by_magnitude(const IntegerRows& matrix, uint32_t begin, uint32_t end, size_t first_column,
                                  std::vector<Slot>* slots);
    void append_quads(const std::vector<Slot>& slots);

    size_t rows_, columns_, tile_columns_, tiles_, bands_;
    std::vector<Start> starts_;  // [tiles * bands + 1], tile by tile
    std::vector<QuadRow> quad_rows_;
    std::vector<Quad> quads_;
};

}  // namespace onnxdc
