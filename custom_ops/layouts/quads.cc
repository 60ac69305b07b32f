#include "layouts/quads.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "parallel/range.h"

namespace onnxdc {
namespace {

// A panel of so many columns fills most of a first cache of 32 KB with 32 lanes of a byte.
constexpr size_t kMaxTileColumns = 896;
constexpr int kMostOfPair = 128;  // of magnitudes: 255 times that is below 2^15

}  // namespace

QuadTiles::QuadTiles(const IntegerRows& matrix, size_t first_row, size_t row_count)
    : rows_(row_count), columns_(matrix.columns) {
    const size_t tiles = std::max<size_t>(1, divide_up(columns_, kMaxTileColumns));
    tile_columns_ = std::max<size_t>(1, divide_up(columns_, tiles));
    tiles_ = divide_up(columns_, tile_columns_);
    bands_ = divide_up(rows_, kBandRows);
    const uint32_t* row_starts = matrix.start.data() + first_row;
    std::vector<uint32_t> next(row_starts, row_starts + rows_);
    quads_.reserve((row_starts[rows_] - row_starts[0]) / 4);
    starts_.reserve(tiles_ * bands_ + 1);
    for (size_t tile = 0; tile < tiles_; ++tile) {
        for (size_t band = 0; band < bands_; ++band) {
            starts_.push_back({static_cast<uint32_t>(quad_rows_.size()), static_cast<uint32_t>(quads_.size())});
            append_block(matrix, row_starts + 1, band, tile, next.data());
        }
    }
    starts_.push_back({static_cast<uint32_t>(quad_rows_.size()), static_cast<uint32_t>(quads_.size())});
    quad_rows_.shrink_to_fit();
    quads_.shrink_to_fit();
}

// Blocks are appended tile by tile; next[row] is the row's first nonzero that is not yet in one, row_ends[row] the end
// of the row. Within a block rows are sorted by their number of nonzeros, for branch predictors, as in SparseTiles.
void QuadTiles::append_block(const IntegerRows& matrix, const uint32_t* row_ends, size_t band, size_t tile,
                             uint32_t* next) {
    struct Part {
        size_t row;
        uint32_t begin, end;
    };
    std::vector<Part> parts;
    const size_t first_column = tile * tile_columns_, begin_row = first_row_of_band(band);
    for (size_t row = begin_row; row < first_row_of_band(band + 1); ++row) {
        uint32_t end = next[row];
        while (end < row_ends[row] && matrix.column[end] < first_column + tile_columns_) ++end;
        if (end > next[row]) parts.push_back({row - begin_row, next[row], end});
        next[row] = end;
    }
    std::stable_sort(parts.begin(), parts.end(),
                     [](const Part& a, const Part& b) { return a.end - a.begin < b.end - b.begin; });
    for (const Part& part : parts) {
        const size_t before = quads_.size();
        append_row(matrix, part.begin, part.end, first_column);
        quad_rows_.push_back({static_cast<uint16_t>(part.row), static_cast<uint16_t>(quads_.size() - before)});
    }
}

// The largest with the smallest: most pairs are full, however uneven the weights.
void QuadTiles::append_row(const IntegerRows& matrix, uint32_t begin, uint32_t end, size_t first_column) {
    std::vector<uint32_t> order(end - begin);
    std::iota(order.begin(), order.end(), begin);
    const auto magnitude = [&](uint32_t i) { return std::abs(int{matrix.value[i]}); };
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return magnitude(a) > magnitude(b); });
    size_t slot = 0;
    const auto append = [&](uint32_t i) {
        if (slot % 4 == 0) {
            const auto any = static_cast<uint16_t>(matrix.column[i] - first_column);
            quads_.push_back({{any, any, any, any}, {0, 0, 0, 0}});
        }
        quads_.back().column[slot % 4] = static_cast<uint16_t>(matrix.column[i] - first_column);
        quads_.back().weight[slot % 4] = matrix.value[i];
    };
    for (size_t first = 0, last = order.size(); first < last; slot += 2 - slot % 2) {
        append(order[first++]);
        if (first == last || magnitude(order[first - 1]) + magnitude(order[last - 1]) > kMostOfPair) continue;
        ++slot;
        append(order[--last]);
    }
}

QuadBlock QuadTiles::block(size_t tile, size_t band) const {
    const Start& start = starts_[tile * bands_ + band];
    const Start& end = starts_[tile * bands_ + band + 1];
    return {quad_rows_.data() + start.row, end.row - start.row, quads_.data() + start.quad};
}

}  // namespace onnxdc
