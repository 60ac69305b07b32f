// How the nonzeros of some rows are cut into steps, each of which looks at a window of consecutive columns.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "parallel/range.h"

namespace onnxdc {

// The rows of one block, a lane each, in one range of columns: lanes take their nonzeros in the order of columns.
class WindowSchedule {
public:
    static constexpr size_t kMaxLanes = 16;
    static constexpr uint32_t kNoRow = 0xffffffff;
    static constexpr int32_t kNoColumn = std::numeric_limits<int32_t>::max();

    // Row r has the columns column[start[r]] .. column[start[r + 1] - 1], rising. `rows` are those of the lanes, kNoRow
    // for a lane without one; `window` columns are in sight at a time.
    WindowSchedule(const uint32_t* start, const uint32_t* column, const uint32_t* rows, size_t lanes, size_t window,
                   Range columns)
        : lanes_(lanes),
          window_(static_cast<uint32_t>(window)),
          first_column_(static_cast<uint32_t>(columns.begin)),
          columns_(column) {
        for (size_t lane = 0; lane < lanes_; ++lane) {
            if (rows[lane] != kNoRow) {
                const uint32_t* end = column + start[rows[lane] + 1];
                const uint32_t* begin = std::lower_bound(column + start[rows[lane]], end, columns.begin);
                next_[lane] = static_cast<uint32_t>(begin - column);
                end_[lane] = static_cast<uint32_t>(std::lower_bound(begin, end, columns.end) - column);
            }
            column_[lane] = column_of_next(lane);
            lowest_ = std::min(lowest_, column_[lane]);
        }
    }

    // The lowest column, counted from the first of the range, that has no slot yet: the next step's window begins
    // there. kNoColumn if there is none.
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
        return next_[lane] < end_[lane] ? static_cast<int32_t>(columns_[next_[lane]] - first_column_) : kNoColumn;
    }

    const size_t lanes_;
    const uint32_t window_;
    const uint32_t first_column_;
    const uint32_t* const columns_;
    uint32_t next_[kMaxLanes] = {};  // each lane's first nonzero without a slot
    uint32_t end_[kMaxLanes] = {};   // each lane's first nonzero beyond the range
    int32_t column_[kMaxLanes];      // the column of each lane's `next_`; kNoColumn if that is its `end_`
    int32_t lowest_ = kNoColumn;     // the lowest column of all lanes
};

}  // namespace onnxdc
