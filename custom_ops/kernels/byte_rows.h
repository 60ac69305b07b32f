// Rows of x as bytes.
#pragma once

#include "kernels/input_range.h"
#include "kernels/matrix.h"
#include "simd/bytes.h"

namespace onnxdc {

// Writes the bytes of a row of x, `columns` of them, and answers what they stand for.
InputRange round_row(const ByteKernels& kernels, const MatrixRun& run, size_t row, size_t columns, uint8_t* bytes);

}  // namespace onnxdc
