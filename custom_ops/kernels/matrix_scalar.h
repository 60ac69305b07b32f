// The definition of the sparse matrix product, which the fast ones are held against.
#pragma once

#include "kernels/matrix.h"
#include "layouts/rows.h"

namespace onnxdc {

class ScalarMatrix final : public SparseMatrix {
public:
    explicit ScalarMatrix(SparseRows weight) : weight_(std::move(weight)) {}

    int64_t inputs() const override { return static_cast<int64_t>(weight_.columns); }
    int64_t outputs() const override { return static_cast<int64_t>(weight_.rows); }
    Isa isa() const override { return Isa::kScalar; }
    size_t scratch_nbytes(int64_t, size_t) const override { return 0; }
    void run(const MatrixRun& run, void* scratch, Executor& executor) const override;

private:
    const SparseRows weight_;
};

}  // namespace onnxdc
