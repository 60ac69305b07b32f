// Sparse matrix product on bytes, whose lanes are rows of x.
#pragma once

#include <vector>

#include "kernels/byte_blocks.h"
#include "kernels/matrix.h"
#include "simd/panel.h"

namespace onnxdc {

// The rows of x become bytes; for a block of them these are transposed into a panel [columns][rows of x], with which
// each band of the outputs is computed, while its sums stay in the nearest cache.
class DynamicMatrix final : public SparseMatrix {
public:
    DynamicMatrix(IntegerRows weight, const QuadKernels& quads, const ByteKernels& bytes, const PanelKernels& floats,
                  Isa isa);

    int64_t inputs() const override { return static_cast<int64_t>(tiles_.columns()); }
    int64_t outputs() const override { return static_cast<int64_t>(tiles_.rows()); }
    Isa isa() const override { return isa_; }
    size_t scratch_nbytes(int64_t m, size_t workers) const override;
    void run(const MatrixRun& run, void* scratch, Executor& executor) const override;

private:
    struct Plan;

    void run_block(const MatrixRun& run, const Plan& plan, size_t block, Range bands, const ByteWorker& worker) const;

    const QuadTiles tiles_;
    const std::vector<float> scale_;
    const std::vector<int32_t> sum_;
    const QuadKernels& quads_;
    const ByteKernels& bytes_;
    const PanelKernels& floats_;
    const Isa isa_;
};

}  // namespace onnxdc
