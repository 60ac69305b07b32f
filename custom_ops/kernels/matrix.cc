#include "kernels/matrix.h"

#include "kernels/matrix_scalar.h"

namespace onnxdc {

std::unique_ptr<SparseMatrix> SparseMatrix::create(const SparseWeight& weight, bool transposed, Isa) {
    return std::make_unique<ScalarMatrix>(transposed ? rows_of(weight) : transposed_rows_of(weight));
}

}  // namespace onnxdc
