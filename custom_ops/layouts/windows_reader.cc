// From windows back to rows.
#include <algorithm>
#include <cstring>

#include "layouts/windows.h"
#include "parallel/range.h"
#include "parallel/threads.h"

namespace onnxdc {
namespace {

// Some hundred microseconds of work: more than ten times what it takes to start a thread.
constexpr size_t kBlocksOfPart = 8;

uint32_t bits_of(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

// Finds the code of a value by its bits.
class CodeOfValue {
public:
    explicit CodeOfValue(const AlignedVector<float>& values) {
        for (size_t code = 0; code < values.size(); ++code)
            sorted_.push_back({bits_of(values[code]), static_cast<uint32_t>(code)});
        std::sort(sorted_.begin(), sorted_.end());
    }

    uint32_t operator()(uint32_t bits) const {
        // A binary search without branches, none of which could be predicted.
        const std::pair<uint32_t, uint32_t>* first = sorted_.data();
        for (size_t count = sorted_.size(); count > 1; count -= count / 2)
            first += first[count / 2].first <= bits ? count / 2 : 0;
        return first->second;
    }

private:
    std::vector<std::pair<uint32_t, uint32_t>> sorted_;  // the bits of each value, and its code
};

}  // namespace

// Calls visit(lane, column, value) for the slots of a block that hold a nonzero, each lane's in the order of columns.
// The value is a code, or else the bits of a float.
template <class Visit>
void Windows::for_each_slot(size_t block, const Visit& visit) const {
    const auto code_mask = static_cast<uint32_t>(form_.max_codes()) - 1;
    for (size_t tile = 0; tile < tiles_; ++tile) {
        const uint32_t* unit = start_.data() + tile * blocks_ + block;
        for (size_t slot = unit[0] * WindowForm::kSlots; slot < unit[1] * WindowForm::kSlots; ++slot) {
            const size_t base = tile * tile_columns_ + base_[slot / WindowForm::kSlotsOfStep];
            const uint32_t* words = words_.data() + first_word(slot);
            for (size_t lane = 0; lane < form_.lanes; ++lane) {
                const uint32_t word = words[lane] >> first_bit(slot);
                const uint32_t value =
                    coded_ ? word >> form_.index_bits & code_mask : bits_of(floats_[slot * form_.lanes + lane]);
                if (value != 0) visit(lane, static_cast<uint32_t>(base + word % form_.window()), value);
            }
        }
    }
}

SparseRows Windows::to_rows() const {
    SparseRows matrix;
    matrix.rows = rows_;
    matrix.columns = columns_;
    matrix.start.resize(rows_ + 1);
    matrix.values.assign(values_.begin(), values_.end());
    ThreadExecutor threads;
    const size_t parts = divide_up(blocks_, kBlocksOfPart);
    const auto for_each_block = [&](const auto& visit) {
        threads.parallel_for(parts, [&](size_t part) {
            const Range blocks = part_of(blocks_, parts, part);
            for (size_t block = blocks.begin; block < blocks.end; ++block)
                visit(block, row_of_lane_.data() + block * form_.lanes);
        });
    };
    for_each_block([&](size_t block, const uint32_t* rows) {
        uint32_t counts[kMaxLanes] = {};
        for_each_slot(block, [&](size_t lane, uint32_t, uint32_t) { ++counts[lane]; });
        for (size_t lane = 0; lane < form_.lanes; ++lane)
            if (rows[lane] != kNoRow) matrix.start[rows[lane] + 1] = counts[lane];
    });
    for (size_t row = 0; row < rows_; ++row) matrix.start[row + 1] += matrix.start[row];
    matrix.column.resize(matrix.start.back());
    matrix.code.resize(matrix.start.back());
    const CodeOfValue code_of(values_);
    for_each_block([&](size_t block, const uint32_t* rows) {
        uint32_t next[kMaxLanes];
        for (size_t lane = 0; lane < form_.lanes; ++lane)
            next[lane] = rows[lane] != kNoRow ? matrix.start[rows[lane]] : 0;
        for_each_slot(block, [&](size_t lane, uint32_t column, uint32_t value) {
            matrix.column[next[lane]] = column;
            matrix.code[next[lane]++] = coded_ ? value : code_of(value);
        });
    });
    return matrix;
}

}  // namespace onnxdc
