// The execution layout of products on bytes whose weight has so few zeros that it is faster to multiply them, too.
#pragma once

#include <cstddef>
#include <cstdint>

#include "layouts/aligned.h"
#include "layouts/integer_rows.h"
#include "parallel/range.h"

namespace onnxdc {

// A matrix of integers with its zeros, in blocks of 64 rows. A block has, for each four columns, those of all its rows:
// [fours][kBlockRows][4]. Rows and columns beyond those of the matrix are 0.
class DenseIntegers {
public:
    static constexpr size_t kBlockRows = 64;
    static constexpr size_t kColumns = 4;  // of a four

    // Rows first_row .. first_row + row_count - 1 of a matrix; the first of them becomes row 0.
    DenseIntegers(const IntegerRows& matrix, size_t first_row, size_t row_count);

    // The bytes that it takes.
    static size_t padded_size(size_t rows, size_t columns) {
        return divide_up(rows, kBlockRows) * kBlockRows * divide_up(columns, kColumns) * kColumns;
    }

    size_t rows() const { return rows_; }
    size_t columns() const { return columns_; }
    size_t blocks() const { return blocks_; }
    size_t fours() const { return fours_; }
    const int8_t* block(size_t block) const { return weights_.data() + block * fours_ * kBlockRows * kColumns; }

private:
    size_t rows_, columns_, blocks_, fours_;
    AlignedVector<int8_t> weights_;
};

}  // namespace onnxdc
