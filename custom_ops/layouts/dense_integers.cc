#include "layouts/dense_integers.h"

namespace onnxdc {

DenseIntegers::DenseIntegers(const IntegerRows& matrix, size_t first_row, size_t row_count)
    : rows_(row_count),
      columns_(matrix.columns),
      blocks_(divide_up(rows_, kBlockRows)),
      fours_(divide_up(columns_, kColumns)),
      weights_(padded_size(rows_, columns_)) {
    for (size_t row = 0; row < rows_; ++row) {
        int8_t* to = weights_.data() + (row / kBlockRows * fours_ * kBlockRows + row % kBlockRows) * kColumns;
        for (uint32_t i = matrix.start[first_row + row]; i < matrix.start[first_row + row + 1]; ++i) {
            const size_t column = matrix.column[i];
            to[column / kColumns * kBlockRows * kColumns + column % kColumns] = matrix.value[i];
        }
    }
}

}  // namespace onnxdc
