// The definition of the sparse convolution, which the fast ones are held against.
#pragma once

#include "kernels/convolution.h"
#include "layouts/rows.h"

namespace onnxdc {

class ScalarConvolution final : public SparseConvolution {
public:
    // `kernel` is the weight's shape after its first two dimensions.
    ScalarConvolution(SparseRows weight, const Spatial& kernel, const ConvolutionParams& params)
        : weight_(std::move(weight)), kernel_(kernel), params_(params) {}

    int64_t inputs() const override;
    int64_t outputs() const override { return static_cast<int64_t>(weight_.rows); }
    Isa isa() const override { return Isa::kScalar; }
    size_t scratch_nbytes(const ConvolutionRun&, size_t) const override { return 0; }
    void run(const ConvolutionRun& run, void* scratch, Executor& executor) const override;

private:
    void compute_plane(const ConvolutionRun& run, int64_t image, size_t row) const;

    // A row is an output channel, its columns are [input channel within the group, kernel...].
    const SparseRows weight_;
    const Spatial kernel_;
    const ConvolutionParams params_;
};

}  // namespace onnxdc
