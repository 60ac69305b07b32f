// The execution layout of products with several vectors at once: a batch of matrix rows, or the pixels of a
// convolution.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "layouts/rows.h"

namespace onnxdc {

// A nonzero: its column within the tile, its place in the block's table of values.
struct TileEntry {
    uint16_t column;
    uint16_t code;
};

// The nonzeros of one row in one tile.
struct TileRow {
    uint32_t row;
    uint32_t entries;  // how many, at least 1
};

// The nonzeros of one tile in one band: those of rows[0] first, then those of rows[1] and so on.
struct TileBlock {
    const TileRow* rows;
    size_t row_count;
    const TileEntry* entries;
    const float* values;
};

// A sparse matrix cut into tiles of columns, so that the inputs of a tile stay in the nearest cache while all rows use
// them, and into bands of rows, so that threads can share the rows. Within a block the rows are sorted by their number
// of nonzeros: the loop over a row's nonzeros then nearly always runs as often as the one before, which is what branch
// predictors predict. Takes 4 bytes a nonzero and 8 bytes a row of a tile. Rows without nonzeros in a tile do not
// appear there.
class SparseTiles {
public:
    // Rows first_row .. first_row + row_count - 1 of a matrix; the first of them becomes row 0.
    SparseTiles(const SparseRows& matrix, size_t first_row, size_t row_count);

    size_t rows() const { return rows_; }
    size_t columns() const { return columns_; }
    size_t tile_columns() const { return tile_columns_; }  // of every tile but the last, which may have fewer
    size_t tiles() const { return tiles_; }
    size_t bands() const { return bands_; }
    size_t first_row_of_band(size_t band) const { return band < bands_ ? band * kBandRows : rows_; }

    TileBlock block(size_t tile, size_t band) const;

private:
    // Blocks of more entries than a code can tell apart must not arise, so that each may have a table of its own.
    static constexpr size_t kBandRows = 128;
    static constexpr size_t kMaxTileColumns = 512;
    static_assert(kBandRows * kMaxTileColumns <= 65536, "a block's entries are numbered by 16 bits");

    // Where a block starts in each array.
    struct Start {
        uint32_t row, entry, value;
    };

    void append_block(const SparseRows& matrix, const uint32_t* row_ends, size_t band, size_t tile, uint32_t* next);

    size_t rows_, columns_, tile_columns_, tiles_, bands_;
    std::vector<Start> starts_;  // [tiles * bands + 1], tile by tile
    std::vector<TileRow> tile_rows_;
    std::vector<TileEntry> entries_;
    std::vector<float> values_;
    bool shared_values_;  // all blocks use one table, which starts at 0; else each entry has a value of its own
};

}  // namespace onnxdc
