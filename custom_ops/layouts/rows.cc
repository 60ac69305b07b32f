#include "layouts/rows.h"

#include <algorithm>
#include <utility>

#include "parallel/range.h"
#include "parallel/threads.h"

namespace onnxdc {
namespace {

// Some hundred microseconds of work: more than ten times what it takes to start a thread.
constexpr size_t kNonzerosOfPart = 65536;

size_t part_count(const SparseWeight& weight) {
    return std::max<size_t>(1, divide_up(weight.position.size(), kNonzerosOfPart));
}

// The step of each row, where rows lie along an axis of the weight.
std::vector<float> row_steps(const SparseWeight& weight, int64_t axis, size_t rows) {
    const std::vector<float>& steps = weight.steps;
    if (steps.empty()) return {};
    if (weight.groups == 1 || weight.group_axis != axis) {
        const bool equal = std::equal(steps.begin() + 1, steps.end(), steps.begin());
        return std::vector<float>(rows, equal ? steps[0] : 0.0f);
    }
    std::vector<float> result(rows);
    for (size_t row = 0; row < rows; ++row) result[row] = steps[row / (rows / steps.size())];
    return result;
}

SparseRows empty_rows(const SparseWeight& weight, int64_t axis, size_t columns) {
    const auto rows = static_cast<size_t>(weight.shape[static_cast<size_t>(axis)]);
    SparseRows result;
    result.rows = rows;
    result.columns = columns;
    result.step = row_steps(weight, axis, rows);
    result.start.resize(rows + 1);
    result.start[rows] = static_cast<uint32_t>(weight.position.size());
    result.code.resize(weight.position.size());
    // Code 0 is left to what is no nonzero.
    result.values.reserve(1 + weight.codebook.size());
    result.values.push_back(0.0f);
    result.values.insert(result.values.end(), weight.codebook.begin(), weight.codebook.end());
    return result;
}

// An index into the values of all groups, for each nonzero.
class CodeOf {
public:
    explicit CodeOf(const SparseWeight& weight)
        : weight_(weight),
          group_(weight.shape, weight.groups, weight.group_axis),
          codes_(static_cast<uint32_t>(weight.codes_per_group)) {}

    uint32_t operator()(size_t i) const {
        return 1 + static_cast<uint32_t>(group_(weight_.position[i])) * codes_ + weight_.code[i];
    }

private:
    const SparseWeight& weight_;
    const GroupOfPosition group_;
    const uint32_t codes_;
};

// The first of the nonzeros begin .. end - 1 that lies at `position` or after it; `end` if there is none.
size_t find_position(const SparseWeight& weight, size_t begin, size_t end, size_t position) {
    const uint32_t* positions = weight.position.data();
    return static_cast<size_t>(std::lower_bound(positions + begin, positions + end, position) - positions);
}

// Calls visit(i, row, column) for the nonzeros of a part, in a weight stored as rows of `row_length`.
template <class Visit>
void for_each_nonzero(const SparseWeight& weight, Range part, uint32_t row_length, const Visit& visit) {
    if (part.begin == part.end) return;
    uint32_t row = weight.position[part.begin] / row_length;
    uint32_t row_begin = row * row_length;
    for (size_t i = part.begin; i < part.end; ++i) {
        for (; weight.position[i] - row_begin >= row_length; row_begin += row_length) ++row;
        visit(i, row, weight.position[i] - row_begin);
    }
}

}  // namespace

// The columns take the place of the positions, which are the largest array there is at this time.
SparseRows rows_of(SparseWeight weight) {
    const auto rows = static_cast<size_t>(weight.shape[0]);
    size_t columns = 1;  // from the other axes alone, so that a weight without rows has them too
    for (size_t axis = 1; axis < weight.shape.size(); ++axis) columns *= static_cast<size_t>(weight.shape[axis]);
    SparseRows result = empty_rows(weight, 0, columns);
    const CodeOf code_of(weight);
    const size_t parts = part_count(weight);
    std::vector<size_t> first(parts + 1);  // the first nonzero of each part
    for (size_t part = 0; part <= parts; ++part)
        first[part] = find_position(weight, 0, weight.position.size(), part_of(rows, parts, part).begin * columns);
    ThreadExecutor().parallel_for(parts, [&](size_t part) {
        const Range own_rows = part_of(rows, parts, part);
        size_t begin = first[part];
        for (size_t row = own_rows.begin; row < own_rows.end; ++row) {
            const size_t last = std::min(first[part + 1], begin + columns);
            const size_t end = find_position(weight, begin, last, (row + 1) * columns);
            result.start[row] = static_cast<uint32_t>(begin);
            for (size_t i = begin; i < end; ++i) result.code[i] = code_of(i);
            for (size_t i = begin; i < end; ++i) weight.position[i] -= static_cast<uint32_t>(row * columns);
            begin = end;
        }
    });
    result.column = std::move(weight.position);
    return result;
}

// Each part of the nonzeros counts how many it has of each row; then it is known where they go.
SparseRows transposed_rows_of(const SparseWeight& weight) {
    const auto columns = static_cast<size_t>(weight.shape[0]);
    const auto rows = static_cast<size_t>(weight.shape[1]);
    const size_t nnz = weight.position.size();
    SparseRows result = empty_rows(weight, 1, columns);
    result.column.resize(nnz);
    const CodeOf code_of(weight);
    const auto row_length = static_cast<uint32_t>(rows);
    ThreadExecutor threads;
    // As many parts as can run at once, and no more counts than nonzeros.
    const size_t parts = std::min({part_count(weight), threads.workers(), std::max<size_t>(1, nnz / (rows + 1))});
    std::vector<uint32_t> next(parts * rows);  // [parts, rows]
    threads.parallel_for(parts, [&](size_t part) {
        uint32_t* counts = next.data() + part * rows;
        for_each_nonzero(weight, part_of(nnz, parts, part), row_length,
                         [&](size_t, uint32_t, uint32_t row) { ++counts[row]; });
    });
    uint32_t sum = 0;
    for (size_t row = 0; row < rows; ++row) {
        result.start[row] = sum;
        for (size_t part = 0; part < parts; ++part) sum += std::exchange(next[part * rows + row], sum);
    }
    threads.parallel_for(parts, [&](size_t part) {
        uint32_t* places = next.data() + part * rows;
        for_each_nonzero(weight, part_of(nnz, parts, part), row_length, [&](size_t i, uint32_t column, uint32_t row) {
            const uint32_t place = places[row]++;
            result.column[place] = column;
            result.code[place] = code_of(i);
        });
    });
    return result;
}

}  // namespace onnxdc
