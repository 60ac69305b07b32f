// The layout that holds zeros, too: every element in its place, and zeros after them.
#include "check.h"
#include "layouts/dense_integers.h"
#include "random_integers.h"

using namespace onnxdc;

namespace {

void test_case(size_t rows, size_t columns, double density) {
    Random random(static_cast<uint32_t>(rows + columns));
    const IntegerRows matrix = random_integers(random, rows, columns, density, 127);
    const size_t first_row = rows / 3, row_count = rows - first_row;
    const DenseIntegers dense(matrix, first_row, row_count);
    CHECK(dense.rows() == row_count && dense.columns() == columns);
    CHECK(dense.blocks() == (row_count + 63) / 64 && dense.fours() == (columns + 3) / 4);
    std::vector<int> expected(dense.blocks() * 64 * dense.fours() * 4), found(expected.size());
    CHECK(DenseIntegers::padded_size(row_count, columns) == expected.size());
    const size_t width = dense.fours() * 4;
    for (size_t row = 0; row < row_count; ++row) {
        for (uint32_t i = matrix.start[first_row + row]; i < matrix.start[first_row + row + 1]; ++i)
            expected[row * width + matrix.column[i]] = matrix.value[i];
    }
    for (size_t row = 0; row < dense.blocks() * 64; ++row) {
        for (size_t column = 0; column < width; ++column)
            found[row * width + column] = dense.block(row / 64)[(column / 4 * 64 + row % 64) * 4 + column % 4];
    }
    CHECK(found == expected);
}

}  // namespace

int main() {
    for (const size_t rows : {0, 1, 63, 64, 100, 200}) {
        for (const size_t columns : {0, 1, 4, 7, 130}) {
            for (const double density : {0.0, 0.5, 1.0}) test_case(rows, columns, density);
        }
    }
    return check::finish();
}
