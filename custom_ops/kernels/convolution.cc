#include "kernels/convolution.h"

#include "kernels/convolution_panel.h"
#include "kernels/convolution_scalar.h"

namespace onnxdc {

std::unique_ptr<SparseConvolution> SparseConvolution::create(SparseWeight weight, const ConvolutionParams& params,
                                                             Isa isa) {
    const bool empty = weight.numel() == 0;
    Spatial kernel{1, 1, 1};
    const size_t spatial_rank = weight.shape.size() - 2;
    for (size_t d = 0; d < spatial_rank; ++d) kernel[3 - spatial_rank + d] = weight.shape[2 + d];

    SparseRows rows = rows_of(std::move(weight));
    const PanelKernels* kernels = panel_kernels(isa);
    if (!kernels || empty) return std::make_unique<ScalarConvolution>(std::move(rows), kernel, params);
    return std::make_unique<PanelConvolution>(rows, kernel, params, *kernels);
}

}  // namespace onnxdc
