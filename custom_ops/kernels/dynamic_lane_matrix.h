// Sparse matrix product on bytes, whose lanes are outputs.
#pragma once

#include <vector>

#include "kernels/matrix.h"
#include "layouts/lanes.h"
#include "parallel/range.h"
#include "simd/bytes.h"
#include "simd/lanes.h"

namespace onnxdc {

// The rows of x become bytes, and sixteen of them at a time are multiplied with the steps of the layout: no panel is
// made. Of a chunk of bands whose steps stay in the second cache all rows meet one tile before the next.
class DynamicLaneMatrix final : public SparseMatrix {
public:
    DynamicLaneMatrix(IntegerRows weight, const LaneKernels& lanes, const ByteKernels& bytes, Isa isa);

    int64_t inputs() const override { return static_cast<int64_t>(lanes_.columns()); }
    int64_t outputs() const override { return static_cast<int64_t>(lanes_.rows()); }
    Isa isa() const override { return isa_; }
    size_t scratch_nbytes(int64_t m, size_t workers) const override;
    void run(const MatrixRun& run, void* scratch, Executor& executor) const override;

private:
    struct Plan;

    void run_bands(const MatrixRun& run, const Plan& plan, Range rows, Range bands, int32_t* sums) const;
    void finish_band(const MatrixRun& run, const Plan& plan, Range rows, size_t band, const int32_t* sums) const;

    const WindowLanes lanes_;
    const std::vector<float> scale_;
    const std::vector<int32_t> sum_;
    const size_t chunk_bands_;
    const LaneKernels& kernels_;
    const ByteKernels& bytes_;
    const Isa isa_;
};

}  // namespace onnxdc
