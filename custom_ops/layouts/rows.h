// The nonzeros of a weight, grouped by the output that they add to: what every execution layout is built from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "decoder/weight.h"

namespace onnxdc {

// A sparse matrix [rows, columns] in compressed rows. A row is one output of the layer; its nonzeros are
//   (column[i], values[code[i]])  for start[row] <= i < start[row + 1], columns rising.
struct SparseRows {
    size_t rows = 0;
    size_t columns = 0;
    std::vector<uint32_t> start;   // [rows + 1]
    std::vector<uint32_t> column;  // [nnz]
    std::vector<uint32_t> code;    // [nnz], indices into values, never 0
    std::vector<float> values;     // +0.0, then the codebooks of all groups, one after the other
    std::vector<float> step;       // [rows], of a grid of integers from -127 to 127, 0 of a row on several; or empty
};

// The weight as [shape[0], all other dimensions]: rows are stored one after the other. To move the weight in saves
// memory.
SparseRows rows_of(SparseWeight weight);

// A weight of two dimensions, transposed: rows are what is stored as columns.
SparseRows transposed_rows_of(const SparseWeight& weight);

}  // namespace onnxdc
