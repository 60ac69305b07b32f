// The nonzeros of a weight as integers of 8 bits with a scale for each row: docs/format.md, section 9.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "layouts/rows.h"

namespace onnxdc {

// A sparse matrix [rows, columns] in compressed rows, nearly value[i] * scale[row] where the weight has a nonzero. What
// is rounded to 0 is dropped.
struct IntegerRows {
    size_t rows = 0;
    size_t columns = 0;
    std::vector<uint32_t> start;   // [rows + 1]
    std::vector<uint32_t> column;  // [nnz], rising within a row
    std::vector<int8_t> value;     // [nnz], -127..127, never 0
    std::vector<float> scale;      // [rows]
    std::vector<int32_t> sum;      // [rows], of the values
};

// What scales never are below: so far from the smallest floats that nothing is lost where they are divided by.
constexpr float kLeastScale = 0x1p-100f;

// To the nearest integer, of two the even one; of magnitudes below 2^22.
inline float round_to_even(float value) {
    constexpr float kShift = 0x1.8p23f;
    return value + kShift - kShift;
}

// Null, or in a few words why the weight has no such form; `integers` is unspecified then.
const char* round_rows(const SparseRows& rows, IntegerRows* integers);

}  // namespace onnxdc
