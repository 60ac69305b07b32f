// The layout of layers on integers for a row of x or two: rows come back as they were, and steps are full.
#include "check.h"
#include "layouts/byte_windows.h"
#include "random_integers.h"

using namespace onnxdc;

namespace {

// Scales of which most are the same, and sums that nothing here looks at.
void set_scales(Random& random, IntegerRows* matrix) {
    matrix->sum.resize(matrix->rows);
    for (size_t row = 0; row < matrix->rows; ++row)
        matrix->scale.push_back(random() % 4 == 0 ? 1.0f + static_cast<float>(random() % 100) : 0.5f);
}

bool has_codes(const ByteWindows& windows, size_t block) { return windows.block(block).weights != nullptr; }

void test_case(size_t rows, size_t columns, double density, int most) {
    Random random(static_cast<uint32_t>(rows + columns));
    IntegerRows matrix = random_integers(random, rows, columns, density, most);
    set_scales(random, &matrix);
    const ByteWindows windows(matrix);
    CHECK(windows.rows() == rows && windows.columns() == columns && windows.blocks() == (rows + 15) / 16);
    const IntegerRows again = windows.to_rows();
    CHECK(again.rows == rows && again.columns == columns);
    CHECK(again.start == matrix.start && again.column == matrix.column && again.value == matrix.value);
    std::vector<int> seen(rows);
    for (size_t lane = 0; lane < windows.blocks() * ByteWindows::kLanes; ++lane) {
        const uint32_t row = windows.row_of_lane()[lane];
        if (row != ByteWindows::kNoRow) ++seen.at(row);
    }
    CHECK(seen == std::vector<int>(rows, 1));
    for (size_t block = 0; block < windows.blocks(); ++block) {
        CHECK(windows.first_pair()[block + 1] - windows.first_pair()[block] == windows.block(block).pair_count);
        for (size_t step = 0; step < 2 * windows.block(block).pair_count; ++step)
            CHECK(windows.block(block).base[step] < columns);
        if (most <= 15) CHECK(has_codes(windows, block) || windows.block(block).pair_count == 0);
    }
}

// A matrix whose rows all have the columns 0 .. columns - 1, and integers by value(row, column).
template <class Value>
IntegerRows full(size_t rows, size_t columns, const Value& value) {
    IntegerRows matrix;
    matrix.rows = rows;
    matrix.columns = columns;
    matrix.start.push_back(0);
    for (size_t row = 0; row < rows; ++row) {
        for (size_t column = 0; column < columns; ++column) {
            matrix.column.push_back(static_cast<uint32_t>(column));
            matrix.value.push_back(static_cast<int8_t>(value(row, column)));
        }
        matrix.start.push_back(static_cast<uint32_t>(matrix.column.size()));
        matrix.scale.push_back(1.0f);
        matrix.sum.push_back(0);
    }
    return matrix;
}

// 31 integers have codes, next to that of 0, and 32 have not.
void test_codes() {
    const ByteWindows few(full(16, 40, [](size_t row, size_t column) { return 1 + (row + column) % 31; }));
    CHECK(has_codes(few, 0));
    const ByteWindows many(full(16, 40, [](size_t row, size_t column) { return 1 + (row + column) % 32; }));
    CHECK(!has_codes(many, 0));
}

// Rows of one scale share their codes, wherever they lie between the others.
void test_rows_of_one_scale() {
    IntegerRows matrix = full(32, 20, [](size_t row, size_t) { return row % 2 == 0 ? 5 : 40 + row; });
    for (size_t row = 1; row < 32; row += 2) matrix.scale[row] = 2.0f + static_cast<float>(row);
    const ByteWindows windows(matrix);
    for (size_t lane = 0; lane < 16; ++lane) CHECK(windows.row_of_lane()[lane] % 2 == 0);
}

// A full matrix fills every slot.
void test_full() {
    const ByteWindows windows(full(32, 256, [](size_t, size_t) { return 1; }));
    for (size_t block = 0; block < 2; ++block) CHECK(windows.block(block).pair_count == 256 / 4 / 2);
}

}  // namespace

int main() {
    for (const size_t rows : {1, 16, 17, 100}) {
        for (const size_t columns : {1, 3, 127, 128, 129, 1000}) {
            for (const int most : {1, 15, 16, 127}) {
                for (const double density : {0.0, 0.05, 1.0}) test_case(rows, columns, density, most);
            }
        }
    }
    test_case(300, 600, 0.5, 127);  // so many nonzeros that threads share the work
    test_case(10, 0, 0.5, 1);
    test_case(0, 10, 0.5, 1);
    test_codes();
    test_rows_of_one_scale();
    test_full();
    return check::finish();
}
