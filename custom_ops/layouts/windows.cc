#include "layouts/windows.h"

#include <algorithm>
#include <numeric>

#include "parallel/range.h"
#include "parallel/threads.h"

namespace onnxdc {
namespace {

// So many inputs, 20 KB, stay in a cache of 32 KB next to the steps that stream through it.
constexpr size_t kMaxTileColumns = 5120;
// Some hundred microseconds of work: more than ten times what it takes to start a thread.
constexpr size_t kNonzerosOfPart = 16384;

}  // namespace

Windows::Windows(const SparseRows& matrix, const WindowForm& form)
    : form_(form),
      rows_(matrix.rows),
      columns_(matrix.columns),
      blocks_(divide_up(rows_, form_.lanes)),
      tiles_(std::max<size_t>(1, divide_up(columns_, kMaxTileColumns))),
      tile_columns_(divide_up(columns_, tiles_)),
      coded_(matrix.values.size() <= form_.max_codes()),
      words_of_lane_(form_.words(coded_)),
      row_of_lane_(blocks_ * form_.lanes, kNoRow),
      start_(tiles_ * blocks_ + 1),
      values_(matrix.values.begin(), matrix.values.end()) {
    for (size_t slot = 0; slot < WindowForm::kSlots; ++slot) places_[slot] = form_.place(slot, coded_);
    const auto rows_end = row_of_lane_.begin() + static_cast<std::ptrdiff_t>(rows_);
    std::iota(row_of_lane_.begin(), rows_end, 0);
    std::stable_sort(row_of_lane_.begin(), rows_end, [&](uint32_t a, uint32_t b) {
        return matrix.start[a + 1] - matrix.start[a] < matrix.start[b + 1] - matrix.start[b];
    });
    if (coded_) values_.resize(form_.max_codes(), 0.0f);

    // All is scheduled twice: once to count, so that the arrays are made in their final size, where threads then fill
    // in their parts.
    const size_t units = tiles_ * blocks_;
    const size_t parts = std::min(units, divide_up(matrix.column.size(), kNonzerosOfPart));
    ThreadExecutor threads;
    threads.parallel_for(parts, [&](size_t part) {
        const Range own_units = part_of(units, parts, part);
        for (size_t unit = own_units.begin; unit < own_units.end; ++unit) start_[unit + 1] = count_threes(matrix, unit);
    });
    std::partial_sum(start_.begin(), start_.end(), start_.begin());
    base_.resize(start_.back() * WindowForm::kStepsAtOnce);
    words_.resize(start_.back() * words_of_lane_ * form_.lanes);
    if (!coded_) floats_.resize(start_.back() * WindowForm::kSlots * form_.lanes);
    threads.parallel_for(parts, [&](size_t part) {
        const Range own_units = part_of(units, parts, part);
        for (size_t unit = own_units.begin; unit < own_units.end; ++unit) {
            coded_ ? fill_coded(matrix, unit) : fill_floats(matrix, unit);
        }
    });
}

WindowSchedule Windows::schedule_of(const SparseRows& matrix, size_t unit) const {
    const size_t first = unit / blocks_ * tile_columns_;
    return {matrix.start.data(),
            matrix.column.data(),
            row_of_lane_.data() + unit % blocks_ * form_.lanes,
            form_.lanes,
            {first, first + tile_columns_}};
}

uint32_t Windows::count_threes(const SparseRows& matrix, size_t unit) const {
    WindowSchedule schedule = schedule_of(matrix, unit);
    size_t steps = 0;
    for (; schedule.lowest() != WindowSchedule::kNoColumn; ++steps) {
        const ColumnWindow window = window_of(schedule);
        for (size_t slot = 0; slot < WindowForm::kSlotsOfStep; ++slot) {
            schedule.give_slot(window, [](size_t, uint32_t, uint32_t, bool) {});
        }
    }
    return static_cast<uint32_t>(divide_up(steps, WindowForm::kStepsAtOnce));
}

// Where the last three are not full, their empty steps look at the tile's first window.
void Windows::fill_coded(const SparseRows& matrix, size_t unit) {
    WindowSchedule schedule = schedule_of(matrix, unit);
    const uint32_t last = static_cast<uint32_t>(matrix.code.size()) - 1;
    size_t slot = start_[unit] * WindowForm::kSlots;
    while (schedule.lowest() != WindowSchedule::kNoColumn) {
        const ColumnWindow window = window_of(schedule);
        base_[slot / WindowForm::kSlotsOfStep] = static_cast<uint16_t>(window.base);
        for (const size_t end = slot + WindowForm::kSlotsOfStep; slot < end; ++slot) {
            uint32_t* words = words_.data() + first_word(slot);
            const uint32_t bit = first_bit(slot);
            schedule.give_slot(window, [&](size_t lane, uint32_t index, uint32_t nonzero, bool used) {
                // A code is read whether it is used or not: that of the last nonzero where there is none left.
                const uint32_t word = index | matrix.code[std::min(nonzero, last)] << form_.index_bits;
                words[lane] |= (word & -uint32_t{used}) << bit;
            });
        }
    }
}

void Windows::fill_floats(const SparseRows& matrix, size_t unit) {
    WindowSchedule schedule = schedule_of(matrix, unit);
    size_t slot = start_[unit] * WindowForm::kSlots;
    while (schedule.lowest() != WindowSchedule::kNoColumn) {
        const ColumnWindow window = window_of(schedule);
        base_[slot / WindowForm::kSlotsOfStep] = static_cast<uint16_t>(window.base);
        for (const size_t end = slot + WindowForm::kSlotsOfStep; slot < end; ++slot) {
            uint32_t* words = words_.data() + first_word(slot);
            float* floats = floats_.data() + slot * form_.lanes;
            const uint32_t bit = first_bit(slot);
            schedule.give_slot(window, [&](size_t lane, uint32_t index, uint32_t nonzero, bool used) {
                if (!used) return;
                words[lane] |= index << bit;
                floats[lane] = matrix.values[matrix.code[nonzero]];
            });
        }
    }
}

}  // namespace onnxdc
