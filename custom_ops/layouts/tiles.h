// The execution layout of products with several vectors at once: a batch of matrix rows, or the pixels of a
// convolution.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "layouts/rows.h"

namespace onnxdc {

// The nonzeros of one row in one tile.
struct TileRow {
    uint16_t row;      // counted from the band's first row
    uint16_t entries;  // so many nonzeros follow for the row, at least 1
};

// The nonzeros of one tile in one band: those of rows[0] first, then those of rows[1] and so on.
struct TileBlock {
    const TileRow* rows;
    size_t row_count;
    const uint16_t* columns;  // counted from the tile's first column
    const float* values;
    bool is_far;  // whether the matrix does not stay in the second cache, so that its nonzeros are worth fetching early
};

// A sparse matrix cut into tiles of columns, so that the inputs of a tile stay in the nearest cache while all rows use
// them, and into bands of rows, so that threads can share the rows. Within a block the rows are sorted by their number
// of nonzeros: the loop over a row's nonzeros then nearly always runs as often as the one before, which is what branch
// predictors predict. Takes 6 bytes a nonzero and 4 bytes a row of a tile: values are written out, since to look each
// one up by its code takes as long as a vector's multiplication. Rows without nonzeros in a tile do not appear there.
class SparseTiles {
public:
    static constexpr size_t kBandRows = 128;

    // Rows first_row .. first_row + row_count - 1 of a matrix; the first of them becomes row 0. Tiles are made for
    // panels of about that many vectors of 64 bytes.
    SparseTiles(const SparseRows& matrix, size_t first_row, size_t row_count, size_t vectors);

    size_t rows() const { return rows_; }
    size_t columns() const { return columns_; }
    // Every tile has so many, but for the last, which may have fewer.
    size_t tile_columns() const { return tile_columns_; }
    size_t tiles() const { return tiles_; }
    size_t bands() const { return bands_; }
    size_t first_row_of_band(size_t band) const { return band < bands_ ? band * kBandRows : rows_; }

    TileBlock block(size_t tile, size_t band) const;

private:
    static constexpr size_t kMaxTileColumns = 1024;
    static_assert(kBandRows <= 65536 && kMaxTileColumns < 65536, "rows, columns and entries of a row fit 16 bits");

    // Where a block starts in each array.
    struct Start {
        uint32_t row, entry;
    };

    void append_block(const SparseRows& matrix, const uint32_t* row_ends, size_t band, size_t tile, uint32_t* next);

    size_t rows_, columns_, tile_columns_, tiles_, bands_;
    std::vector<Start> starts_;  // [tiles * bands + 1], tile by tile
    std::vector<TileRow> tile_rows_;
    std::vector<uint16_t> entry_columns_;
    std::vector<float> entry_values_;
};

}  // namespace onnxdc
