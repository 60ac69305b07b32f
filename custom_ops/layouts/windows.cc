#include "layouts/windows.h"

#include <algorithm>
#include <limits>
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

// Cuts the nonzeros of one block in one tile into steps.
class Windows::Schedule {
public:
    static constexpr int32_t kNoColumn = std::numeric_limits<int32_t>::max();

    Schedule(const Windows& windows, const SparseRows& matrix, size_t tile, size_t block)
        : lanes_(windows.form_.lanes),
          window_(static_cast<uint32_t>(windows.form_.window())),
          tile_begin_(static_cast<uint32_t>(tile * windows.tile_columns_)),
          columns_(matrix.column.data()) {
        const size_t tile_end = tile_begin_ + windows.tile_columns_;
        for (size_t lane = 0; lane < lanes_; ++lane) {
            const uint32_t row = windows.row_of_lane_[block * lanes_ + lane];
            if (row != kNoRow) {
                const uint32_t* end = columns_ + matrix.start[row + 1];
                const uint32_t* begin = std::lower_bound(columns_ + matrix.start[row], end, tile_begin_);
                next_[lane] = static_cast<uint32_t>(begin - columns_);
                end_[lane] = static_cast<uint32_t>(std::lower_bound(begin, end, tile_end) - columns_);
            }
            column_[lane] = column_of_next(lane);
            lowest_ = std::min(lowest_, column_[lane]);
        }
    }

    // The lowest column, counted from the tile's first, that has no slot yet: the next step's window begins there.
    // kNoColumn if there is none.
    int32_t base() const { return lowest_; }

    // Gives each lane one slot in the step whose window begins at `base`: calls set(lane, index, nonzero, used), where
    // `index` lies in the window, unless `used` is false. No branch depends on the numbers, none is mispredicted.
    template <class Set>
    void give_slot(int32_t base, const Set& set) {
        int32_t lowest = kNoColumn;
        for (size_t lane = 0; lane < lanes_; ++lane) {
            const auto index = static_cast<uint32_t>(column_[lane] - base);
            const bool used = index < window_;
            set(lane, index, next_[lane], used);
            next_[lane] += used;
            column_[lane] = column_of_next(lane);
            lowest = std::min(lowest, column_[lane]);
        }
        lowest_ = lowest;
    }

private:
    int32_t column_of_next(size_t lane) const {
        return next_[lane] < end_[lane] ? static_cast<int32_t>(columns_[next_[lane]] - tile_begin_) : kNoColumn;
    }

    const size_t lanes_;
    const uint32_t window_;
    const uint32_t tile_begin_;
    const uint32_t* const columns_;
    uint32_t next_[kMaxLanes] = {};  // each lane's first nonzero without a slot
    uint32_t end_[kMaxLanes] = {};   // each lane's first nonzero beyond the tile
    int32_t column_[kMaxLanes];      // the column of each lane's `next_`; kNoColumn if that is its `end_`
    int32_t lowest_ = kNoColumn;     // the lowest column of all lanes
};

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

uint32_t Windows::count_threes(const SparseRows& matrix, size_t unit) const {
    Schedule schedule(*this, matrix, unit / blocks_, unit % blocks_);
    size_t steps = 0;
    for (int32_t base; (base = schedule.base()) != Schedule::kNoColumn; ++steps) {
        for (size_t slot = 0; slot < WindowForm::kSlotsOfStep; ++slot) {
            schedule.give_slot(base, [](size_t, uint32_t, uint32_t, bool) {});
        }
    }
    return static_cast<uint32_t>(divide_up(steps, WindowForm::kStepsAtOnce));
}

// Where the last three are not full, their empty steps look at the tile's first window.
void Windows::fill_coded(const SparseRows& matrix, size_t unit) {
    Schedule schedule(*this, matrix, unit / blocks_, unit % blocks_);
    const uint32_t last = static_cast<uint32_t>(matrix.code.size()) - 1;
    size_t slot = start_[unit] * WindowForm::kSlots;
    for (int32_t base; (base = schedule.base()) != Schedule::kNoColumn;) {
        base_[slot / WindowForm::kSlotsOfStep] = static_cast<uint16_t>(base);
        for (const size_t end = slot + WindowForm::kSlotsOfStep; slot < end; ++slot) {
            uint32_t* words = words_.data() + first_word(slot);
            const uint32_t bit = first_bit(slot);
            schedule.give_slot(base, [&](size_t lane, uint32_t index, uint32_t nonzero, bool used) {
                // A code is read whether it is used or not: that of the last nonzero where there is none left.
                const uint32_t word = index | matrix.code[std::min(nonzero, last)] << form_.index_bits;
                words[lane] |= (word & -uint32_t{used}) << bit;
            });
        }
    }
}

void Windows::fill_floats(const SparseRows& matrix, size_t unit) {
    Schedule schedule(*this, matrix, unit / blocks_, unit % blocks_);
    size_t slot = start_[unit] * WindowForm::kSlots;
    for (int32_t base; (base = schedule.base()) != Schedule::kNoColumn;) {
        base_[slot / WindowForm::kSlotsOfStep] = static_cast<uint16_t>(base);
        for (const size_t end = slot + WindowForm::kSlotsOfStep; slot < end; ++slot) {
            uint32_t* words = words_.data() + first_word(slot);
            float* floats = floats_.data() + slot * form_.lanes;
            const uint32_t bit = first_bit(slot);
            schedule.give_slot(base, [&](size_t lane, uint32_t index, uint32_t nonzero, bool used) {
                if (!used) return;
                words[lane] |= index << bit;
                floats[lane] = matrix.values[matrix.code[nonzero]];
            });
        }
    }
}

}  // namespace onnxdc
