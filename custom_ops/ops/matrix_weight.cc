#include "ops/matrix_weight.h"

#include "kernels/dynamic.h"
#include "ops/heap.h"
#include "ops/session.h"
#include "ops/weight_input.h"

namespace onnxdc {

std::unique_ptr<SparseMatrix> read_matrix(const ort::KernelInfo& info, const GroupTensors& group, bool transposed,
                                          int64_t expected_rows, Arithmetic arithmetic) {
    const WeightInput weight(info, group);
    const std::vector<int64_t>& shape = weight.group().shape;
    if (shape.size() != 2) {
        throw ort::Error(kOrtInvalidGraph, "the weight has shape " + ort::shape_text(shape) + ", expected rank 2");
    }
    const int64_t outputs = shape[transposed ? 0 : 1];
    const char* problem = nullptr;
    auto matrix =
        arithmetic == Arithmetic::kDynamic
            ? create_dynamic_matrix(weight.decode(outputs), transposed, session_isa(), expected_rows, &problem)
            : SparseMatrix::create(weight.decode(outputs), transposed, session_isa(), expected_rows);
    if (problem) throw ort::Error(kOrtInvalidGraph, problem);
    release_free_memory(weight.group().entries);
    return matrix;
}

void run_matrix(const SparseMatrix& matrix, const MatrixRun& run, const ort::Context& context,
                SessionThreads& threads) {
    SessionExecutor executor(context, threads);
    const Scratch scratch(context, matrix.scratch_nbytes(run.m, executor.workers()));
    matrix.run(run, scratch.get(), executor);
}

}  // namespace onnxdc
