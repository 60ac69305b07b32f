#include "layouts/byte_windows.h"

#include <algorithm>
#include <numeric>

#include "parallel/range.h"
#include "parallel/threads.h"

namespace onnxdc {
namespace {

// Some hundred microseconds of work: more than ten times what it takes to start a thread.
constexpr size_t kNonzerosOfPart = 16384;

float most_frequent(std::vector<float> values) {
    std::sort(values.begin(), values.end());
    float most = 0.0f;
    size_t count = 0;
    for (auto first = values.begin(); first != values.end();) {
        const auto last = std::upper_bound(first, values.end(), *first);
        if (static_cast<size_t>(last - first) > count) {
            count = static_cast<size_t>(last - first);
            most = *first;
        }
        first = last;
    }
    return most;
}

}  // namespace

ByteWindows::ByteWindows(const IntegerRows& matrix)
    : rows_(matrix.rows),
      columns_(matrix.columns),
      row_of_lane_(divide_up(rows_, kLanes) * kLanes, kNoRow),
      coded_(row_of_lane_.size() / kLanes),
      first_pair_(coded_.size() + 1),
      first_byte_(coded_.size() + 1),
      weights_(coded_.size() * kWeightsOfBlock) {
    sort_rows(matrix);
    // All is scheduled twice: once to count, so that the arrays are made in their final size, where threads then fill
    // in their parts.
    const size_t parts = std::min(blocks(), divide_up(matrix.column.size(), kNonzerosOfPart));
    ThreadExecutor threads;
    const auto for_each_block = [&](const auto& visit) {
        threads.parallel_for(parts, [&](size_t part) {
            const Range own = part_of(blocks(), parts, part);
            for (size_t block = own.begin; block < own.end; ++block) visit(block);
        });
    };
    for_each_block([&](size_t block) {
        Codes codes;
        coded_[block] = give_codes(matrix, block, codes);
        first_pair_[block + 1] = count_pairs(matrix, block);
        first_byte_[block + 1] = first_pair_[block + 1] * (coded_[block] ? kCodedPair : kBytesPair);
    });
    std::partial_sum(first_pair_.begin(), first_pair_.end(), first_pair_.begin());
    std::partial_sum(first_byte_.begin(), first_byte_.end(), first_byte_.begin());
    base_.resize(size_t{2} * first_pair_.back());
    pairs_.resize(first_byte_.back());
    for_each_block([&](size_t block) { fill(matrix, block); });
}

void ByteWindows::sort_rows(const IntegerRows& matrix) {
    const auto end = row_of_lane_.begin() + static_cast<std::ptrdiff_t>(rows_);
    std::iota(row_of_lane_.begin(), end, 0);
    const float scale = most_frequent(matrix.scale);
    const auto first_other =
        std::stable_partition(row_of_lane_.begin(), end, [&](uint32_t row) { return matrix.scale[row] == scale; });
    const auto has_fewer = [&](uint32_t a, uint32_t b) {
        return matrix.start[a + 1] - matrix.start[a] < matrix.start[b + 1] - matrix.start[b];
    };
    std::stable_sort(row_of_lane_.begin(), first_other, has_fewer);
    std::stable_sort(first_other, end, has_fewer);
}

WindowSchedule ByteWindows::schedule_of(const IntegerRows& matrix, size_t block) const {
    return {matrix.start.data(), matrix.column.data(), row_of_lane_.data() + block * kLanes, kLanes, {0, columns_}};
}

// Numbers the integers of a block, that of 0 being 0. Answers whether there are no more than codes can tell apart.
bool ByteWindows::give_codes(const IntegerRows& matrix, size_t block, Codes codes) const {
    std::fill_n(codes, sizeof(Codes), uint8_t{0});
    for (const uint32_t* row = row_of_lane_.data() + block * kLanes; row < row_of_lane_.data() + (block + 1) * kLanes;
         ++row) {
        for (uint32_t i = *row == kNoRow ? 0 : matrix.start[*row]; *row != kNoRow && i < matrix.start[*row + 1]; ++i)
            codes[static_cast<uint8_t>(matrix.value[i])] = 1;
    }
    size_t next = 1;
    for (size_t i = 0; i < sizeof(Codes); ++i) {
        if (codes[i] != 0) codes[i] = static_cast<uint8_t>(next++);
    }
    return next <= kCodes;
}

uint32_t ByteWindows::count_pairs(const IntegerRows& matrix, size_t block) const {
    WindowSchedule schedule = schedule_of(matrix, block);
    size_t steps = 0;
    for (; schedule.lowest() != WindowSchedule::kNoColumn; ++steps) {
        const ColumnWindow window{schedule.lowest(), kWindow};
        for (size_t slot = 0; slot < kSlots; ++slot)
            schedule.give_slot(window, [](size_t, uint32_t, uint32_t, bool) {});
    }
    return static_cast<uint32_t>(divide_up(steps, 2));
}

// Where the last pair is not full, its empty step looks at the first window.
void ByteWindows::fill(const IntegerRows& matrix, size_t block) {
    const bool coded = coded_[block];
    int8_t* weights = weights_.data() + block * kWeightsOfBlock;
    Codes codes;
    give_codes(matrix, block, codes);
    for (size_t i = 0; coded && i < sizeof(Codes); ++i)
        weights[codes[i]] = weights[codes[i] + kCodes] = codes[i] == 0 ? int8_t{0} : static_cast<int8_t>(i);

    // The state of the loop: of the step at hand
    //   second         whether it is the second of its pair
    //   pair           what the pair has, first the indices of both steps
    WindowSchedule schedule = schedule_of(matrix, block);
    uint16_t* base_of_step = base_.data() + size_t{2} * first_pair_[block];
    uint8_t* pair = pairs_.data() + first_byte_[block];
    size_t second = 0;
    for (; schedule.lowest() != WindowSchedule::kNoColumn; second ^= 1) {
        const ColumnWindow window{schedule.lowest(), kWindow};
        *base_of_step++ = static_cast<uint16_t>(window.base);
        for (size_t slot = 0; slot < kSlots; ++slot) {
            schedule.give_slot(window, [&](size_t lane, uint32_t index, uint32_t nonzero, bool used) {
                if (!used) return;
                const size_t place = lane * kSlots + slot;
                const auto weight = static_cast<uint8_t>(matrix.value[nonzero]);
                uint8_t* to = pair + second * kSlotsOfStep + place;
                if (coded) {
                    *to = static_cast<uint8_t>(index | codes[weight] >> 4 << 7);
                    pair[2 * kSlotsOfStep + place] |= static_cast<uint8_t>((codes[weight] & 15) << 4 * second);
                } else {
                    *to = static_cast<uint8_t>(index);
                    to[2 * kSlotsOfStep] = weight;
                }
            });
        }
        if (second) pair += coded ? kCodedPair : kBytesPair;
    }
}

// Calls visit(lane, column, integer) for the nonzeros of a block, each lane's in the order of columns.
template <class Visit>
void ByteWindows::for_each_nonzero(size_t block, const Visit& visit) const {
    const Block of = this->block(block);
    const uint8_t* pair = of.pairs;
    for (size_t step = 0; step < 2 * of.pair_count; ++step) {
        const size_t second = step % 2;
        for (size_t slot = 0; slot < kSlots; ++slot) {
            for (size_t lane = 0; lane < kLanes; ++lane) {
                const size_t place = lane * kSlots + slot;
                const uint8_t index = pair[second * kSlotsOfStep + place];
                const int rest = pair[2 * kSlotsOfStep + place] >> 4 * second & 15;
                const int8_t weight = of.weights ? of.weights[index >> 7 << 4 | rest]
                                                 : static_cast<int8_t>(pair[(2 + second) * kSlotsOfStep + place]);
                if (weight != 0) visit(lane, of.base[step] + index % kWindow, weight);
            }
        }
        if (second) pair += of.weights ? kCodedPair : kBytesPair;
    }
}

IntegerRows ByteWindows::to_rows() const {
    IntegerRows matrix;
    matrix.rows = rows_;
    matrix.columns = columns_;
    matrix.start.resize(rows_ + 1);
    for (size_t block = 0; block < blocks(); ++block) {
        const uint32_t* rows = row_of_lane_.data() + block * kLanes;
        for_each_nonzero(block, [&](size_t lane, size_t, int8_t) { ++matrix.start[rows[lane] + 1]; });
    }
    std::partial_sum(matrix.start.begin(), matrix.start.end(), matrix.start.begin());
    matrix.column.resize(matrix.start.back());
    matrix.value.resize(matrix.start.back());
    std::vector<uint32_t> next(matrix.start.begin(), matrix.start.end() - 1);
    for (size_t block = 0; block < blocks(); ++block) {
        const uint32_t* rows = row_of_lane_.data() + block * kLanes;
        for_each_nonzero(block, [&](size_t lane, size_t column, int8_t integer) {
            const uint32_t i = next[rows[lane]]++;
            matrix.column[i] = static_cast<uint32_t>(column);
            matrix.value[i] = integer;
        });
    }
    return matrix;
}

}  // namespace onnxdc
