// Sparse matrix product on bytes whose lanes are outputs, for a row of x or two.
#pragma once

#include <vector>

#include "kernels/matrix.h"
#include "layouts/byte_windows.h"
#include "simd/bytes.h"
#include "simd/gemv.h"

namespace onnxdc {

class DynamicWindowMatrix final : public SparseMatrix {
public:
    DynamicWindowMatrix(const IntegerRows& weight, const ByteWindowKernels& kernels, const ByteKernels& bytes, Isa isa);

    int64_t inputs() const override { return static_cast<int64_t>(windows_.columns()); }
    int64_t outputs() const override { return static_cast<int64_t>(windows_.rows()); }
    Isa isa() const override { return isa_; }
    size_t scratch_nbytes(int64_t m, size_t workers) const override;
    void run(const MatrixRun& run, void* scratch, Executor& executor) const override;

    IntegerRows to_rows() const;

private:
    struct Plan;

    Range blocks_of(size_t task, size_t tasks) const;
    void run_blocks(const MatrixRun& run, const Plan& plan, Range rows, Range blocks) const;

    const ByteWindows windows_;
    std::vector<float> scale_;  // of the row of each lane; 0 for a lane without one
    std::vector<int32_t> sum_;  // likewise
    const ByteWindowKernels& kernels_;
    const ByteKernels& bytes_;
    const Isa isa_;
};

}  // namespace onnxdc
