// Sparse convolution on bytes, whose lanes are output pixels.
#pragma once

#include <vector>

#include "kernels/byte_blocks.h"
#include "kernels/convolution.h"
#include "kernels/convolution_geometry.h"
#include "simd/panel.h"

namespace onnxdc {

// Images become bytes, in planes with their padding written out, which is the zero point. For a block of output pixels
// the bytes of all columns are brought together in a panel [columns][pixels], with which each band of the outputs is
// computed. Pixels are counted over planes and images without gaps.
class DynamicConvolution final : public SparseConvolution {
public:
    // `kernel` is the weight's shape after its first two dimensions.
    DynamicConvolution(IntegerRows weight, const Spatial& kernel, const ConvolutionParams& params,
                       const QuadKernels& quads, const ByteKernels& bytes, const PanelKernels& floats, Isa isa);

    int64_t inputs() const override { return inputs_; }
    int64_t outputs() const override { return outputs_; }
    Isa isa() const override { return isa_; }
    size_t scratch_nbytes(const ConvolutionRun& run, size_t workers) const override;
    void run(const ConvolutionRun& run, void* scratch, Executor& executor) const override;

private:
    struct Plan;
    struct Worker;

    void run_images(const ConvolutionRun& run, const Plan& plan, Range images, Executor& executor) const;
    void round_images(const ConvolutionRun& run, const Plan& plan, Range images, Executor& executor) const;
    void fill_panel(const Plan& plan, Range pixels, size_t group, size_t lanes, const Worker& worker) const;
    void run_bands(const ConvolutionRun& run, const Plan& plan, size_t first_image, Range pixels, size_t group,
                   Range bands, const BytePanelKernels& kernels, const Worker& worker) const;

    const Spatial kernel_;
    const ConvolutionParams params_;
    const QuadKernels& quads_;
    const ByteKernels& bytes_;
    const PanelKernels& floats_;
    const Isa isa_;
    int64_t inputs_, outputs_;
    std::vector<QuadTiles> groups_;
    std::vector<float> scale_;
    std::vector<int32_t> sum_;
};

}  // namespace onnxdc
