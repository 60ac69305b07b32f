// Sparse matrix product on bytes for a few rows of x, in floats that hold every sum exactly.
#pragma once

#include <vector>

#include "kernels/matrix_window.h"
#include "layouts/integer_rows.h"
#include "simd/bytes.h"
#include "simd/outputs.h"

namespace onnxdc {

// Integers of the weight and bytes of x as floats: where no sum leaves 24 bits, the kernels on windows of floats
// compute the same integers as all others.
class DynamicFloatWindowMatrix final : public SparseMatrix {
public:
    DynamicFloatWindowMatrix(const IntegerRows& weight, const WindowKernels& kernels, const ByteKernels& bytes,
                             Isa isa);

    // Whether no sum leaves 24 bits, whatever the inputs.
    static bool is_exact(const IntegerRows& weight);

    int64_t inputs() const override { return windows_.inputs(); }
    int64_t outputs() const override { return windows_.outputs(); }
    Isa isa() const override { return isa_; }
    size_t scratch_nbytes(int64_t m, size_t workers) const override;
    void run(const MatrixRun& run, void* scratch, Executor& executor) const override;

    IntegerRows to_rows() const;

private:
    struct Plan;

    const WindowMatrix windows_;
    // By the output, as many as a multiple of 16:
    std::vector<float> scale_;
    std::vector<int32_t> sum_;
    const ByteKernels& bytes_;
    const FinishOutputs finish_;
    const Isa isa_;
};

}  // namespace onnxdc
