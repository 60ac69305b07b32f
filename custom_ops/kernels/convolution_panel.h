// Sparse convolution on vectors of output pixels.
#pragma once

#include <vector>

#include "kernels/convolution.h"
#include "kernels/convolution_geometry.h"
#include "layouts/tiles.h"
#include "simd/panel.h"

namespace onnxdc {

// For a block of output pixels the inputs of one tile of the weight are brought together in a panel [columns of the
// tile][pixels], small enough for the nearest cache; every output channel then adds up its nonzeros over vectors of
// pixels. Pixels are counted over planes and images without gaps, so that small planes fill the vectors too.
class PanelConvolution final : public SparseConvolution {
public:
    // `kernel` is the weight's shape after its first two dimensions.
    PanelConvolution(const SparseRows& weight, const Spatial& kernel, const ConvolutionParams& params,
                     const PanelKernels& kernels);

    int64_t inputs() const override { return inputs_; }
    int64_t outputs() const override { return outputs_; }
    Isa isa() const override { return kernels_.isa; }
    size_t scratch_nbytes(const ConvolutionRun& run, size_t workers) const override;
    void run(const ConvolutionRun& run, void* scratch, Executor& executor) const override;

private:
    struct Plan;
    struct Worker;

    void run_images(const ConvolutionRun& run, const Plan& plan, Range images, Executor& executor) const;
    const float* prepare_inputs(const ConvolutionRun& run, const Plan& plan, Range images, Executor& executor) const;
    void run_block(const ConvolutionRun& run, const Plan& plan, const float* source, size_t first_image, Range pixels,
                   size_t group, Range bands, const Worker& worker) const;
    void fill_panel(const Plan& plan, const float* inputs, Range columns, const Worker& worker, size_t pitch) const;

    const Spatial kernel_;
    const ConvolutionParams params_;
    const PanelKernels& kernels_;
    int64_t inputs_, outputs_;
    std::vector<SparseTiles> groups_;
};

}  // namespace onnxdc
