// Matrix product on bytes that multiplies zeros of the weight, too, where those are few.
#pragma once

#include <vector>

#include "kernels/matrix.h"
#include "layouts/dense_integers.h"
#include "simd/bytes.h"
#include "simd/dense.h"

namespace onnxdc {

class DynamicDenseMatrix final : public SparseMatrix {
public:
    DynamicDenseMatrix(const IntegerRows& weight, const DenseKernels& kernels, const ByteKernels& bytes, Isa isa);

    int64_t inputs() const override { return static_cast<int64_t>(weights_.columns()); }
    int64_t outputs() const override { return static_cast<int64_t>(weights_.rows()); }
    Isa isa() const override { return isa_; }
    size_t scratch_nbytes(int64_t m, size_t workers) const override;
    void run(const MatrixRun& run, void* scratch, Executor& executor) const override;

private:
    struct Worker;
    struct Plan;

    void run_block(const MatrixRun& run, const Plan& plan, size_t block, Range rows, const Worker& worker) const;

    const DenseIntegers weights_;
    std::vector<uint32_t> offsets_;  // [fours], of their bytes in a row of x
    std::vector<float> scale_;       // of all rows of all blocks
    std::vector<int32_t> sum_;       // likewise
    const DenseKernels& kernels_;
    const ByteKernels& bytes_;
    const Isa isa_;
};

}  // namespace onnxdc
