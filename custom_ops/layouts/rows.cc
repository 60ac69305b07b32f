#include "layouts/rows.h"

namespace onnxdc {
namespace {

// Calls visit(i, first, rest) for each nonzero i at position [first, rest] of the weight as [shape[0], all other
// dimensions].
template <class Visit>
void for_each_nonzero(const SparseWeight& weight, uint32_t row_length, const Visit& visit) {
    uint32_t row = 0;
    uint64_t row_begin = 0;
    for (size_t i = 0; i < weight.position.size(); ++i) {
        while (weight.position[i] >= row_begin + row_length) {
            ++row;
            row_begin += row_length;
        }
        visit(i, row, weight.position[i] - static_cast<uint32_t>(row_begin));
    }
}

// Turns the number of nonzeros of each row r, held in start[r + 1], into the places where the rows start.
void accumulate(std::vector<uint32_t>* start) {
    for (size_t row = 1; row < start->size(); ++row) (*start)[row] += (*start)[row - 1];
}

SparseRows empty_rows(const SparseWeight& weight, size_t rows, size_t columns) {
    SparseRows result;
    result.rows = rows;
    result.columns = columns;
    result.start.resize(rows + 1);
    result.column.resize(weight.position.size());
    result.code.resize(weight.position.size());
    result.values = weight.codebook;
    return result;
}

// An index into the codebooks of all groups, for each nonzero.
class CodeOf {
public:
    explicit CodeOf(const SparseWeight& weight)
        : weight_(weight),
          group_(weight.shape, weight.groups, weight.group_axis),
          codes_(static_cast<uint32_t>(weight.codes_per_group)) {}

    uint32_t operator()(size_t i) const {
        return static_cast<uint32_t>(group_(weight_.position[i])) * codes_ + weight_.code[i];
    }

private:
    const SparseWeight& weight_;
    const GroupOfPosition group_;
    const uint32_t codes_;
};

}  // namespace

SparseRows rows_of(const SparseWeight& weight) {
    const auto rows = static_cast<size_t>(weight.shape[0]);
    const size_t columns = rows == 0 ? 0 : static_cast<size_t>(weight.numel()) / rows;
    SparseRows result = empty_rows(weight, rows, columns);
    const CodeOf code_of(weight);
    for_each_nonzero(weight, static_cast<uint32_t>(columns), [&](size_t i, uint32_t row, uint32_t column) {
        ++result.start[row + 1];
        result.column[i] = column;
        result.code[i] = code_of(i);
    });
    accumulate(&result.start);
    return result;
}

SparseRows transposed_rows_of(const SparseWeight& weight) {
    const auto columns = static_cast<size_t>(weight.shape[0]);
    const auto rows = static_cast<size_t>(weight.shape[1]);
    SparseRows result = empty_rows(weight, rows, columns);
    const CodeOf code_of(weight);
    const auto row_length = static_cast<uint32_t>(rows);
    for_each_nonzero(weight, row_length, [&](size_t, uint32_t, uint32_t row) { ++result.start[row + 1]; });
    accumulate(&result.start);
    std::vector<uint32_t> next(result.start.begin(), result.start.end() - 1);
    for_each_nonzero(weight, row_length, [&](size_t i, uint32_t column, uint32_t row) {
        const uint32_t place = next[row]++;
        result.column[place] = column;
        result.code[place] = code_of(i);
    });
    return result;
}

}  // namespace onnxdc
