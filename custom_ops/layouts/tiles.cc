#include "layouts/tiles.h"

#include <algorithm>

#include "parallel/range.h"

namespace onnxdc {
namespace {

// A row's sums are loaded and stored once a tile: tiles are so wide that about this many nonzeros a row pay for it,
// within the limits below.
constexpr size_t kEntriesPerRow = 16;
// A panel that fills a first cache of 32 KB is the fastest for many nonzeros, and twice as large a one for few.
// Measured on Zen 4: half and double these sizes take a tenth more time each.
constexpr size_t kMinPanelBytes = 28 * 1024;
constexpr size_t kMaxPanelBytes = 64 * 1024;
constexpr size_t kVectorBytes = 64;
// Half a second cache of a megabyte.
constexpr size_t kNearNonzeros = 512 * 1024 / (sizeof(uint16_t) + sizeof(float));

}  // namespace

SparseTiles::SparseTiles(const SparseRows& matrix, size_t first_row, size_t row_count, size_t vectors)
    : rows_(row_count), columns_(matrix.columns) {
    const uint32_t* row_starts = matrix.start.data() + first_row;
    const size_t nnz = row_starts[row_count] - row_starts[0];
    const size_t min = std::min(kMaxTileColumns, kMinPanelBytes / (vectors * kVectorBytes)),
                 max = std::min(kMaxTileColumns, kMaxPanelBytes / (vectors * kVectorBytes));
    const size_t wanted = nnz == 0 ? max : divide_up(kEntriesPerRow * rows_ * columns_, nnz);
    // Tiles of one width rather than a narrow one at the end.
    const size_t tiles = std::max<size_t>(1, divide_up(columns_, std::clamp(wanted, min, max)));
    tile_columns_ = std::max<size_t>(1, divide_up(columns_, tiles));
    tiles_ = divide_up(columns_, tile_columns_);
    bands_ = divide_up(rows_, kBandRows);

    entry_columns_.reserve(nnz);
    entry_values_.reserve(nnz);
    starts_.reserve(tiles_ * bands_ + 1);
    std::vector<uint32_t> next(row_starts, row_starts + rows_);
    for (size_t tile = 0; tile < tiles_; ++tile) {
        for (size_t band = 0; band < bands_; ++band) append_block(matrix, row_starts + 1, band, tile, next.data());
    }
    starts_.push_back({static_cast<uint32_t>(tile_rows_.size()), static_cast<uint32_t>(entry_columns_.size())});
    tile_rows_.shrink_to_fit();
}

// Blocks are appended tile by tile; next[row] is the row's first nonzero that is not yet in one, row_ends[row] the end
// of the row.
void SparseTiles::append_block(const SparseRows& matrix, const uint32_t* row_ends, size_t band, size_t tile,
                               uint32_t* next) {
    const size_t first_tile_row = tile_rows_.size();
    starts_.push_back({static_cast<uint32_t>(first_tile_row), static_cast<uint32_t>(entry_columns_.size())});

    const size_t begin_column = tile * tile_columns_, begin_row = first_row_of_band(band);
    for (size_t row = begin_row; row < first_row_of_band(band + 1); ++row) {
        uint32_t end = next[row];
        while (end < row_ends[row] && matrix.column[end] < begin_column + tile_columns_) ++end;
        if (end > next[row])
            tile_rows_.push_back({static_cast<uint16_t>(row - begin_row), static_cast<uint16_t>(end - next[row])});
    }
    std::stable_sort(tile_rows_.begin() + static_cast<std::ptrdiff_t>(first_tile_row), tile_rows_.end(),
                     [](const TileRow& a, const TileRow& b) { return a.entries < b.entries; });

    for (size_t r = first_tile_row; r < tile_rows_.size(); ++r) {
        uint32_t& i = next[begin_row + tile_rows_[r].row];
        for (uint32_t n = 0; n < tile_rows_[r].entries; ++n, ++i) {
            entry_columns_.push_back(static_cast<uint16_t>(matrix.column[i] - begin_column));
            entry_values_.push_back(matrix.values[matrix.code[i]]);
        }
    }
}

TileBlock SparseTiles::block(size_t tile, size_t band) const {
    const Start& start = starts_[tile * bands_ + band];
    const Start& end = starts_[tile * bands_ + band + 1];
    return {tile_rows_.data() + start.row, end.row - start.row, entry_columns_.data() + start.entry,
            entry_values_.data() + start.entry, entry_values_.size() > kNearNonzeros};
}

}  // namespace onnxdc
