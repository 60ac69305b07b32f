// Sparse convolution on bytes, whose lanes are output channels.
#pragma once

#include <vector>

#include "kernels/convolution.h"
#include "kernels/input_range.h"
#include "kernels/pixel_blocks.h"
#include "kernels/pixel_planes.h"
#include "layouts/aligned.h"
#include "layouts/integer_rows.h"
#include "layouts/lanes.h"
#include "simd/lanes.h"
#include "simd/panel.h"
#include "simd/pixels.h"

namespace onnxdc {

// Images become bytes with the channels of a pixel side by side, so that windows over them go through several taps of a
// kernel's row. For a block of output pixels and each band of 64 outputs the sums are computed, lanes first, and become
// floats, pixels first, while they are in the nearest cache.
class DynamicLaneConvolution final : public SparseConvolution {
public:
    // `kernel` is the weight's shape after its first two dimensions.
    DynamicLaneConvolution(const IntegerRows& weight, const Spatial& kernel, const ConvolutionParams& params,
                           const LaneKernels& lanes, const ByteKernels& bytes, Isa isa);

    // Of all groups.
    size_t steps() const { return first_step_.back(); }
    size_t bands() const { return groups_.size() * groups_[0].bands(); }

    int64_t inputs() const override { return static_cast<int64_t>(groups_.size() * spans_.channels); }
    int64_t outputs() const override { return static_cast<int64_t>(groups_.size() * groups_[0].rows()); }
    Isa isa() const override { return isa_; }
    size_t scratch_nbytes(const ConvolutionRun& run, size_t workers) const override;
    void run(const ConvolutionRun& run, void* scratch, Executor& executor) const override;

private:
    struct Plan;
    struct Worker;

    void prepare(const ConvolutionRun& run, const Plan& plan) const;
    void run_images(const ConvolutionRun& run, const Plan& plan, Range images, Executor& executor) const;
    void round_images(const Plan& plan, const float* x, size_t count, Executor& executor) const;
    void run_band(const ConvolutionRun& run, const Plan& plan, Range images, size_t group, size_t band, Range blocks,
                  const Worker& worker) const;

    const Spatial kernel_;
    const ConvolutionParams params_;
    const PixelSpans spans_;
    const LaneKernels& lanes_;
    const ByteKernels& bytes_;
    const PixelKernels& pixels_;
    const PanelKernels& floats_;
    const Isa isa_;
    std::vector<WindowLanes> groups_;
    std::vector<size_t> first_step_{0};  // of each group, counted over all of them, and the end
    size_t chunk_bands_;                 // bands whose steps fit a second cache
    // By the place of a row, [groups, bands, WindowLanes::kBandRows]:
    AlignedVector<int32_t> sum_;  // of its integers
    AlignedVector<float> scale_;
    std::vector<uint32_t> row_;  // its number within the band
};

}  // namespace onnxdc
