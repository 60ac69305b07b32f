// How the nonzeros of some rows are cut into steps, each of which looks at a window of consecutive columns.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "parallel/range.h"

namespace onnxdc {

// Columns of a step's window, counted from the first of a range.
struct ColumnWindow {
    int32_t base;
    uint32_t size;
};

// The rows of one block, a lane each, in one range of columns: lanes take their nonzeros in the order of columns.
class WindowSchedule {
public:
    static constexpr size_t kMaxLanes = 16;
    static constexpr uint32_t kNoRow = 0xffffffff;
    static constexpr int32_t kNoColumn = std::numeric_limits<int32_t>::max();

    // Row r has the columns column[start[r]] .. column[start[r + 1] - 1], rising. `rows` are those of the lanes, kNoRow
    // for a lane without one.
    WindowSchedule(const uint32_t* start, const uint32_t* column, const uint32_t* rows, size_t lanes, Range columns)
        : lanes_(lanes), first_column_(static_cast<uint32_t>(columns.begin)), columns_(column) {
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

    // The lowest column, counted from the first of the range, that has no slot yet: the next step's window must have
    // it. kNoColumn if there is none.
    int32_t lowest() const { return lowest_; }

    // Gives each lane one slot in a step with that window: calls set(lane, index, nonzero, used), where `index` lies in
    // the window, unless `used` is false. No branch depends on the numbers, none is mispredicted.
    template <class Set>
    void give_slot(const ColumnWindow& window, const Set& set) {
        int32_t lowest = kNoColumn;
        for (size_t lane = 0; lane < lanes_; ++lane) {
            const auto index = static_cast<uint32_t>(column_[lane] - window.base);
            const bool used = index < window.size;
            set(lane, index, next_[lane], used);
            next_[lane] += used;
            column_[lane] = column_of_next(lane);
            lowest = std::min(lowest, column_[lane]);
        }
        lowest_ = lowest;
    }

    // How many of so many slots for each lane a step with that window would fill.
    size_t count_slots(const ColumnWindow& window, size_t slots) const {
        const uint32_t base = first_column_ + static_cast<uint32_t>(window.base);
        size_t count = 0;
        for (size_t lane = 0; lane < lanes_; ++lane) {
            for (size_t i = next_[lane]; i < next_[lane] + slots; ++i)
                count += i < end_[lane] && columns_[i] - base < window.size;
        }
        return count;
    }

private:
    int32_t column_of_next(size_t lane) const {
        return next_[lane] < end_[lane] ? static_cast<int32_t>(columns_[next_[lane]] - first_column_) : kNoColumn;
    }

    const size_t lanes_;
    const uint32_t first_column_;
    const uint32_t* const columns_;
    uint32_t next_[kMaxLanes] = {};  // each lane's first nonzero without a slot
    uint32_t end_[kMaxLanes] = {};   // each lane's first nonzero beyond the range
    int32_t column_[kMaxLanes];      // the column of each lane's `next_`; kNoColumn if that is its `end_`
    int32_t lowest_ = kNoColumn;     // the lowest column of all lanes
};

}  // namespace onnxdc
