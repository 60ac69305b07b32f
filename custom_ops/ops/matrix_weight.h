// The constant matrix of Gemm and MatMul.
#pragma once

#include <memory>

#include "abi/ort.h"
#include "kernels/matrix.h"
#include "ops/arithmetic.h"
#include "ops/session.h"
#include "ops/weight_input.h"

namespace onnxdc {

// Decodes a weight group of the node into the execution layout; `transposed` and `expected_rows` as in
// SparseMatrix::create.
std::unique_ptr<SparseMatrix> read_matrix(const ort::KernelInfo& info, const GroupTensors& group, bool transposed,
                                          int64_t expected_rows, Arithmetic arithmetic);

// Computes one product on the threads of the session.
void run_matrix(const SparseMatrix& matrix, const MatrixRun& run, const ort::Context& context, SessionThreads& threads);

}  // namespace onnxdc
