// Rows and windows, small and so large that threads share them, against the dense weight that they come from.
#include "check.h"
#include "layouts/rows.h"
#include "layouts/windows.h"
#include "random_weight.h"

using namespace onnxdc;

namespace {

// The matrix with all its zeros, [rows, columns]. Columns of a row must rise.
std::vector<double> dense(const SparseWeight& weight) {
    std::vector<double> values(static_cast<size_t>(weight.numel()));
    for_each_nonzero(weight, [&](int64_t position, double value) { values[static_cast<size_t>(position)] = value; });
    return values;
}

std::vector<double> dense(const SparseRows& matrix) {
    std::vector<double> values(matrix.rows * matrix.columns);
    CHECK(matrix.start.size() == matrix.rows + 1 && matrix.start[matrix.rows] == matrix.column.size());
    for (size_t row = 0; row < matrix.rows; ++row) {
        for (uint32_t i = matrix.start[row]; i < matrix.start[row + 1]; ++i) {
            CHECK(matrix.column[i] < matrix.columns);
            CHECK(i == matrix.start[row] || matrix.column[i - 1] < matrix.column[i]);
            values[row * matrix.columns + matrix.column[i]] = matrix.values[matrix.code[i]];
        }
    }
    return values;
}

std::vector<double> transposed(const std::vector<double>& values, size_t rows, size_t columns) {
    std::vector<double> result(values.size());
    for (size_t row = 0; row < rows; ++row)
        for (size_t column = 0; column < columns; ++column)
            result[column * rows + row] = values[row * columns + column];
    return result;
}

void check_weight(int64_t rows, int64_t columns, const WeightSpec& spec) {
    Random random(static_cast<uint32_t>(rows + spec.codes));
    const SparseWeight weight = random_weight(random, {rows, columns}, spec);
    const std::vector<double> values = dense(weight);
    CHECK(dense(rows_of(weight)) == values);
    CHECK(dense(transposed_rows_of(weight)) ==
          transposed(values, static_cast<size_t>(rows), static_cast<size_t>(columns)));
    for (const WindowForm& form : {kWideWindows, kNarrowWindows})
        CHECK(dense(Windows(rows_of(weight), form).to_rows()) == values);
}

}  // namespace

int main() {
    for (const int64_t rows : {1, 16, 17, 300}) {
        for (const int64_t columns : {1, 33, 900, 5121}) {
            check_weight(rows, columns, {0.2, 32});
            check_weight(rows, columns, {0.2, 256});
            check_weight(rows, columns, {0.0, 16});
        }
    }
    check_weight(1000, 1000, {0.3, 16, 2, 0});
    check_weight(1000, 1000, {0.3, 64, 5, 1});
    check_weight(2, 150000, {0.9, 32});
    check_weight(150000, 2, {0.9, 32});
    return check::finish();
}
