// Sparse matrix product on vectors of outputs, for a few rows of x.
#pragma once

#include "kernels/matrix.h"
#include "layouts/windows.h"
#include "simd/window.h"

namespace onnxdc {

class WindowMatrix final : public SparseMatrix {
public:
    WindowMatrix(const SparseRows& weight, const WindowKernels& kernels)
        : windows_(weight, kernels.form), kernels_(kernels) {}

    int64_t inputs() const override { return static_cast<int64_t>(windows_.columns()); }
    int64_t outputs() const override { return static_cast<int64_t>(windows_.rows()); }
    Isa isa() const override { return kernels_.isa; }
    size_t scratch_nbytes(int64_t m, size_t workers) const override;
    void run(const MatrixRun& run, void* scratch, Executor& executor) const override;

    SparseRows to_rows() const { return windows_.to_rows(); }

private:
    struct Plan;

    void run_blocks(const MatrixRun& run, const Plan& plan, Range rows, Range blocks, bool finite) const;

    const Windows windows_;
    const WindowKernels& kernels_;
};

}  // namespace onnxdc
