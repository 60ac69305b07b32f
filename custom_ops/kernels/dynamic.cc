#include "kernels/dynamic.h"

#include "kernels/dynamic_scalar.h"

namespace onnxdc {

std::unique_ptr<SparseMatrix> create_dynamic_matrix(SparseWeight weight, bool transposed, [[maybe_unused]] Isa isa,
                                                    const char** problem) {
    IntegerRows rows;
    *problem = round_rows(transposed ? rows_of(std::move(weight)) : transposed_rows_of(weight), &rows);
    if (*problem) return nullptr;
    return std::make_unique<ScalarDynamicMatrix>(std::move(rows));
}

std::unique_ptr<SparseConvolution> create_dynamic_convolution(SparseWeight weight, const ConvolutionParams& params,
                                                              [[maybe_unused]] Isa isa, const char** problem) {
    Spatial kernel{1, 1, 1};
    const size_t spatial_rank = weight.shape.size() - 2;
    for (size_t d = 0; d < spatial_rank; ++d) kernel[3 - spatial_rank + d] = weight.shape[2 + d];
    IntegerRows rows;
    *problem = round_rows(rows_of(std::move(weight)), &rows);
    if (*problem) return nullptr;
    return std::make_unique<ScalarDynamicConvolution>(std::move(rows), kernel, params);
}

}  // namespace onnxdc
