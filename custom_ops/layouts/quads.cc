#include "layouts/quads.h"

#include <algorithm>
#include <cstdlib>

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
    quads_.reserve((row_starts[rows_] - row_starts[0]) / 4 + tiles_ * rows_);
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
    std::vector<Slot> slots;
    for (const Part& part : parts) {
        const size_t before = quads_.size();
        sort_by_magnitude(matrix, part.begin, part.end, first_column, &slots);
        append_quads(slots);
        quad_rows_.push_back({static_cast<uint16_t>(part.row), static_cast<uint16_t>(quads_.size() - before)});
    }
}

// The nonzeros begin .. end - 1, the largest first; in their own order if any two of them make a pair.
void QuadTiles::sort_by_magnitude(const IntegerRows& matrix, uint32_t begin, uint32_t end, size_t first_column,
                                  std::vector<Slot>* slots) {
    constexpr int kMost = 127;
    uint32_t places[kMost + 2] = {};  // at kMost - magnitude: where the next one of that magnitude goes
    int largest = 0;
    for (uint32_t i = begin; i < end; ++i) {
        const int magnitude = std::abs(matrix.value[i]);
        largest = std::max(largest, magnitude);
        ++places[kMost - magnitude + 1];
    }
    const bool sorted = 2 * largest > kMostOfPair;
    for (int i = 1; sorted && i <= kMost; ++i) places[i] += places[i - 1];
    slots->resize(end - begin);
    for (uint32_t i = begin; i < end; ++i) {
        const size_t place = sorted ? places[kMost - std::abs(matrix.value[i])]++ : i - begin;
        (*slots)[place] = {static_cast<uint16_t>(matrix.column[i] - first_column), matrix.value[i]};
    }
}

// The largest with the smallest: most pairs are full, however uneven the weights.
void QuadTiles::append_quads(const std::vector<Slot>& slots) {
    size_t used = 0;  // slots of the quad at hand
    Quad quad{};
    const auto put = [&](const Slot& first, const Slot& second) {
        quad.column[used] = first.column;
        quad.weight[used++] = first.weight;
        quad.column[used] = second.column;
        quad.weight[used++] = second.weight;
        if (used < 4) return;
        quads_.push_back(quad);
        used = 0;
    };
    const auto nothing = [](const Slot& slot) { return Slot{slot.column, 0}; };  // of a column that is met anyway
    for (size_t first = 0, last = slots.size(); first < last;) {
        const Slot& large = slots[first++];
        const bool fits = first < last && std::abs(large.weight) + std::abs(slots[last - 1].weight) <= kMostOfPair;
        put(large, fits ? slots[--last] : nothing(large));
    }
    if (used > 0) put(nothing(slots[0]), nothing(slots[0]));
}

QuadBlock QuadTiles::block(size_t tile, size_t band) const {
    const Start& start = starts_[tile * bands_ + band];
    const Start& end = starts_[tile * bands_ + band + 1];
    return {quad_rows_.data() + start.row, end.row - start.row, quads_.data() + start.quad};
}

}  // namespace onnxdc
