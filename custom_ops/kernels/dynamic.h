// Layers on integers: inputs rounded to bytes by their range in each run, weights to integers of 8 bits. What they
// compute is defined in docs/format.md, section 9; their sums are the same integers on every instruction set.
#pragma once

#include <memory>

#include "kernels/convolution.h"
#include "kernels/matrix.h"

namespace onnxdc {

// As SparseMatrix::create. Null if the weight has no such form, and *problem says why in a few words.
std::unique_ptr<SparseMatrix> create_dynamic_matrix(SparseWeight weight, bool transposed, Isa isa,
                                                    int64_t expected_rows, const char** problem);

// As SparseConvolution::create, likewise.
std::unique_ptr<SparseConvolution> create_dynamic_convolution(SparseWeight weight, const ConvolutionParams& params,
                                                              Isa isa, const char** problem);

}  // namespace onnxdc
