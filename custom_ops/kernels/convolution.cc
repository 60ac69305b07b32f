#include "kernels/convolution.h"

#include <algorithm>
#include <cmath>

#include "kernels/convolution_panel.h"
#include "kernels/convolution_scalar.h"

namespace onnxdc {

namespace {

// Panels hold the padding as zeros, which an infinity must not meet, and bring all columns together, used or not.
bool suits_panels(const SparseWeight& weight, const ConvolutionParams& params) {
    int64_t taps = 1;
    for (size_t axis = 2; axis < weight.shape.size(); ++axis) taps *= weight.shape[axis];
    const auto is_finite = [](float value) { return std::isfinite(value); };
    return taps <= kMaxTaps && params.groups <= kMaxGroups &&
           std::all_of(weight.codebook.begin(), weight.codebook.end(), is_finite);
}

}  // namespace

std::unique_ptr<SparseConvolution> SparseConvolution::create(SparseWeight weight, const ConvolutionParams& params,
                                                             Isa isa) {
    const bool is_scalar = weight.numel() == 0 || !suits_panels(weight, params);
    Spatial kernel{1, 1, 1};
    const size_t spatial_rank = weight.shape.size() - 2;
    for (size_t d = 0; d < spatial_rank; ++d) kernel[3 - spatial_rank + d] = weight.shape[2 + d];

    SparseRows rows = rows_of(std::move(weight));
    const PanelKernels* kernels = panel_kernels(isa);
    if (!kernels || is_scalar) return std::make_unique<ScalarConvolution>(std::move(rows), kernel, params);
    return std::make_unique<PanelConvolution>(rows, kernel, params, *kernels);
}

}  // namespace onnxdc
