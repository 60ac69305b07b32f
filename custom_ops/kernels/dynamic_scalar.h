// The definition of the layers on integers, which the fast ones are held against.
#pragma once

#include <utility>

#include "kernels/convolution.h"
#include "kernels/matrix.h"
#include "layouts/integer_rows.h"

namespace onnxdc {

class ScalarDynamicMatrix final : public SparseMatrix {
public:
    explicit ScalarDynamicMatrix(IntegerRows weight) : weight_(std::move(weight)) {}

    int64_t inputs() const override { return static_cast<int64_t>(weight_.columns); }
    int64_t outputs() const override { return static_cast<int64_t>(weight_.rows); }
    Isa isa() const override { return Isa::kScalar; }
    size_t scratch_nbytes(int64_t m, size_t workers) const override;
    void run(const MatrixRun& run, void* scratch, Executor& executor) const override;

private:
    struct Plan;

    const IntegerRows weight_;
};

class ScalarDynamicConvolution final : public SparseConvolution {
public:
    // `kernel` is the weight's shape after its first two dimensions.
    ScalarDynamicConvolution(IntegerRows weight, const Spatial& kernel, const ConvolutionParams& params)
        : weight_(std::move(weight)), kernel_(kernel), params_(params) {}

    int64_t inputs() const override;
    int64_t outputs() const override { return static_cast<int64_t>(weight_.rows); }
    Isa isa() const override { return Isa::kScalar; }
    size_t scratch_nbytes(const ConvolutionRun& run, size_t workers) const override;
    void run(const ConvolutionRun& run, void* scratch, Executor& executor) const override;

private:
    struct Plan;

    void compute_plane(const ConvolutionRun& run, const Plan& plan, size_t image, size_t row, int32_t* sums) const;

    // A row is an output channel, its columns are [input channel within the group, kernel...].
    const IntegerRows weight_;
    const Spatial kernel_;
    const ConvolutionParams params_;
};

}  // namespace onnxdc
