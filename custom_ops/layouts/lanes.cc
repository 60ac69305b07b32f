#include "layouts/lanes.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "parallel/range.h"
#include "parallel/threads.h"

namespace onnxdc {
namespace {

constexpr uint32_t kNoRow = std::numeric_limits<uint32_t>::max();
// Some hundred microseconds of work: more than ten times what it takes to start a thread.
constexpr size_t kNonzerosOfPart = 32768;

}  // namespace

// Cuts the nonzeros of one block in one tile into steps, greedily: a window starts about as far right as the lowest
// nonzero without a slot permits. No branch on a slot depends on the numbers, so none is mispredicted.
class WindowLanes::Schedule {
public:
    // `rows` are those of the matrix, one for each lane, or kNoRow.
    Schedule(const IntegerRows& matrix, const uint32_t* rows, Range tile, size_t span_columns)
        : columns_(matrix.column.data()), span_columns_(span_columns) {
        for (size_t lane = 0; lane < kLanes; ++lane) {
            if (rows[lane] != kNoRow) {
                const uint32_t* end = columns_ + matrix.start[rows[lane] + 1];
                const uint32_t* begin = std::lower_bound(columns_ + matrix.start[rows[lane]], end, tile.begin);
                next_[lane] = static_cast<uint32_t>(begin - columns_);
                end_[lane] = static_cast<uint32_t>(std::lower_bound(begin, end, tile.end) - columns_);
            }
            column_[lane] = column_of_next(lane);
        }
    }

    // Begins the next step; false if every nonzero has a slot. The window starts at a cache line rather than in its
    // middle, where loads cross into the next one, if it then fills as many slots.
    bool next_step() {
        const uint32_t lowest = *std::min_element(column_, column_ + kLanes);
        if (lowest == kNoColumn) return false;
        const size_t in_span = lowest % span_columns_, span = lowest - in_span;
        const size_t near = in_span / kBaseUnit * kBaseUnit, aligned = in_span / kWindow * kWindow;
        set_window(span, near);
        if (aligned == near) return true;
        const size_t slots = count_slots();
        set_window(span, aligned);
        if (count_slots() < slots) set_window(span, near);
        return true;
    }

    // Where its window starts.
    uint32_t base() const { return base_; }

    // Gives each lane its slots: calls set(slot, index, nonzero, used), where `index` lies in the window unless `used`
    // is false.
    template <class Set>
    void fill_step(const Set& set) {
        for (size_t slot = 0; slot < kSlots; ++slot) {
            for (size_t lane = 0; lane < kLanes; ++lane) {
                const uint32_t index = column_[lane] - base_;
                const bool used = index < window_;
                set(lane * kSlots + slot, index, next_[lane], used);
                next_[lane] += used;
                column_[lane] = column_of_next(lane);
            }
        }
    }

private:
    static constexpr uint32_t kNoColumn = std::numeric_limits<uint32_t>::max();

    void set_window(size_t span, size_t start) {
        base_ = static_cast<uint32_t>(span + start);
        window_ = static_cast<uint32_t>(std::min(kWindow, span_columns_ - start));
    }

    // How many slots the window would fill.
    size_t count_slots() const {
        size_t count = 0;
        for (size_t lane = 0; lane < kLanes; ++lane) {
            for (size_t i = next_[lane]; i < next_[lane] + kSlots; ++i)
                count += i < end_[lane] && columns_[i] - base_ < window_;
        }
        return count;
    }

    uint32_t column_of_next(size_t lane) const { return next_[lane] < end_[lane] ? columns_[next_[lane]] : kNoColumn; }

    const uint32_t* const columns_;
    const size_t span_columns_;
    uint32_t next_[kLanes] = {};  // each lane's first nonzero without a slot
    uint32_t end_[kLanes] = {};   // each lane's first nonzero beyond the tile
    uint32_t column_[kLanes];     // the column of each lane's `next_`; kNoColumn if that is its `end_`
    uint32_t base_ = 0, window_ = 0;
};

WindowLanes::WindowLanes(const IntegerRows& matrix, size_t first_row, size_t row_count, size_t span_columns,
                         size_t tile_spans)
    : rows_(row_count),
      columns_(matrix.columns),
      span_columns_(span_columns),
      tile_columns_(span_columns * tile_spans),
      tiles_(std::max<size_t>(1, divide_up(columns_, tile_columns_))),
      bands_(divide_up(rows_, kBandRows)),
      place_(bands_ * kBandRows),
      start_(tiles_ * bands_ * kBandBlocks + 1) {
    const std::vector<uint32_t> row_of_lane = sort_rows(matrix, first_row);
    // All is scheduled twice: once to count, so that the arrays are made in their final size, where threads then fill
    // in their parts. A unit is one block in one tile.
    const size_t blocks = bands_ * kBandBlocks, units = tiles_ * blocks;
    const size_t nonzeros = matrix.start[first_row + row_count] - matrix.start[first_row];
    const size_t parts = std::min(units, divide_up(nonzeros, kNonzerosOfPart));
    ThreadExecutor threads;
    const auto for_each_unit = [&](const auto& visit) {
        threads.parallel_for(parts, [&](size_t part) {
            const Range own_units = part_of(units, parts, part);
            for (size_t unit = own_units.begin; unit < own_units.end; ++unit) {
                const size_t first_column = unit / blocks * tile_columns_;
                visit(unit, Schedule(matrix, row_of_lane.data() + unit % blocks * kLanes,
                                     {first_column, first_column + tile_columns_}, span_columns_));
            }
        });
    };
    for_each_unit([&](size_t unit, Schedule schedule) {
        for (; schedule.next_step(); ++start_[unit + 1]) schedule.fill_step([](size_t, uint32_t, uint32_t, bool) {});
    });
    std::partial_sum(start_.begin(), start_.end(), start_.begin());
    base_.resize(start_.back());
    steps_.resize(start_.back());
    for_each_unit([&](size_t unit, Schedule schedule) {
        for (size_t step = start_[unit]; schedule.next_step(); ++step) {
            base_[step] = schedule.base();
            schedule.fill_step([&, to = &steps_[step]](size_t slot, uint32_t index, uint32_t nonzero, bool used) {
                // A value is read whether it is used or not: the last one of all where none is left.
                const size_t i = std::min<size_t>(nonzero, matrix.value.size() - 1);
                to->index[slot] = static_cast<uint8_t>(used ? index : 0);
                to->weight[slot] = used ? matrix.value[i] : int8_t{0};
            });
        }
    });
}

// The row of the matrix that each lane has, [bands, kBandRows], and its place. A band begins with the longest rows.
std::vector<uint32_t> WindowLanes::sort_rows(const IntegerRows& matrix, size_t first_row) {
    std::vector<uint32_t> rows(bands_ * kBandRows, kNoRow);
    for (size_t band = 0; band < bands_; ++band) {
        const size_t first = first_row_of_band(band), count = first_row_of_band(band + 1) - first;
        uint32_t* begin = rows.data() + first;
        std::iota(begin, begin + count, static_cast<uint32_t>(first_row + first));
        std::stable_sort(begin, begin + count, [&](uint32_t a, uint32_t b) {
            return matrix.start[a + 1] - matrix.start[a] > matrix.start[b + 1] - matrix.start[b];
        });
        for (size_t place = 0; place < count; ++place) place_[begin[place] - first_row] = static_cast<uint8_t>(place);
    }
    return rows;
}

}  // namespace onnxdc
