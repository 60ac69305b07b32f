#include "layouts/lanes.h"

#include <algorithm>
#include <numeric>

#include "parallel/range.h"
#include "parallel/threads.h"

namespace onnxdc {
namespace {

// Some hundred microseconds of work: more than ten times what it takes to start a thread.
constexpr size_t kNonzerosOfPart = 32768;

}  // namespace

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
                const size_t first = unit / blocks * tile_columns_;
                visit(unit, first,
                      WindowSchedule(matrix.start.data(), matrix.column.data(),
                                     row_of_lane.data() + unit % blocks * kLanes, kLanes,
                                     {first, first + tile_columns_}));
            }
        });
    };
    for_each_unit([&](size_t unit, size_t, WindowSchedule schedule) {
        for (; schedule.lowest() != WindowSchedule::kNoColumn; ++start_[unit + 1]) {
            const ColumnWindow window = choose_window(schedule);
            for (size_t slot = 0; slot < kSlots; ++slot)
                schedule.give_slot(window, [](size_t, uint32_t, uint32_t, bool) {});
        }
    });
    std::partial_sum(start_.begin(), start_.end(), start_.begin());
    base_.resize(start_.back());
    steps_.resize(start_.back());
    for_each_unit([&](size_t unit, size_t first_column, WindowSchedule schedule) {
        for (size_t step = start_[unit]; schedule.lowest() != WindowSchedule::kNoColumn; ++step) {
            const ColumnWindow window = choose_window(schedule);
            base_[step] = static_cast<uint32_t>(first_column) + static_cast<uint32_t>(window.base);
            LaneStep* to = &steps_[step];
            for (size_t slot = 0; slot < kSlots; ++slot) {
                schedule.give_slot(window, [&](size_t lane, uint32_t index, uint32_t nonzero, bool used) {
                    // A value is read whether it is used or not: the last one of all where none is left.
                    const size_t i = std::min<size_t>(nonzero, matrix.value.size() - 1), place = lane * kSlots + slot;
                    to->index[place] = static_cast<uint8_t>(used ? index : 0);
                    to->weight[place] = used ? matrix.value[i] : int8_t{0};
                });
            }
        }
    });
}

// The window of the next step, about as far right as the lowest nonzero without a slot permits. It starts at a cache
// line rather than in its middle, where loads cross into the next one, if it then fills as many slots.
ColumnWindow WindowLanes::choose_window(const WindowSchedule& schedule) const {
    const auto lowest = static_cast<size_t>(schedule.lowest());
    const size_t in_span = lowest % span_columns_, span = lowest - in_span;
    const auto window_at = [&](size_t start) -> ColumnWindow {
        return {static_cast<int32_t>(span + start), static_cast<uint32_t>(std::min(kWindow, span_columns_ - start))};
    };
    const ColumnWindow near = window_at(in_span / kBaseUnit * kBaseUnit),
                       aligned = window_at(in_span / kWindow * kWindow);
    const bool takes_fewer =
        aligned.base != near.base && schedule.count_slots(aligned, kSlots) < schedule.count_slots(near, kSlots);
    return takes_fewer ? near : aligned;
}

// The row of the matrix that each lane has, [bands, kBandRows], and its place. A band begins with the longest rows.
std::vector<uint32_t> WindowLanes::sort_rows(const IntegerRows& matrix, size_t first_row) {
    std::vector<uint32_t> rows(bands_ * kBandRows, WindowSchedule::kNoRow);
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
