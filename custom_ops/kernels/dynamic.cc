#include "kernels/dynamic.h"

#include "kernels/dynamic_convolution.h"
#include "kernels/dynamic_dense.h"
#include "kernels/dynamic_float_window.h"
#include "kernels/dynamic_lane_convolution.h"
#include "kernels/dynamic_lane_matrix.h"
#include "kernels/dynamic_matrix.h"
#include "kernels/dynamic_scalar.h"
#include "kernels/dynamic_window.h"
#include "kernels/few_rows_matrix.h"

namespace onnxdc {
namespace {

// The share of nonzeros from which it is faster to multiply the zeros, too, measured on Sapphire Rapids: than by
// windows, which one and two rows of x meet at 0.5 to 0.65, and than by quads, where it is an eighth of 16 rows, and a
// third of 128.
constexpr double kDenseShareOfWindows = 0.6, kDenseShareOfQuads = 1.0 / 3;

// The kernels of zeros if a weight has so few of them, else null.
const DenseKernels* dense_kernels_for(const IntegerRows& weight, double share, Isa isa) {
    const auto elements = static_cast<double>(DenseIntegers::padded_size(weight.rows, weight.columns));
    return static_cast<double>(weight.value.size()) >= share * elements ? dense_kernels(isa) : nullptr;
}

// What convolutions take at a pixel, counted in nonzeros of quads: a step of window lanes as long as so many, and what
// is done for each band as long as so many steps; in quads a column is brought into a panel, whatever meets it.
// Measured on Sapphire Rapids, quads with VNNI.
constexpr size_t kStepNonzeros = 7;
constexpr size_t kBandSteps = 8;
constexpr size_t kColumnNonzeros = 3;
// Groups with fewer outputs leave so much of a block empty that quads are faster.
constexpr size_t kFewestOutputs = 4;
// Of the columns of a row, so that 32 bits count them in spans, too.
constexpr size_t kMaxColumns = size_t{1} << 30;

// Null if quads will be faster.
std::unique_ptr<SparseConvolution> make_lane_convolution(const IntegerRows& rows, const Spatial& kernel,
                                                         const ConvolutionParams& params, const ByteKernels& bytes,
                                                         Isa isa) {
    const LaneKernels* lanes = lane_kernels(isa);
    const auto groups = static_cast<size_t>(params.groups);
    if (!lanes || (groups > 1 && rows.rows / groups < kFewestOutputs) || rows.columns > kMaxColumns) return nullptr;
    auto layer = std::make_unique<DynamicLaneConvolution>(rows, kernel, params, *lanes, bytes, isa);
    const size_t quads = rows.value.size() + kColumnNonzeros * rows.columns * groups;
    if (kStepNonzeros * (layer->steps() + kBandSteps * layer->bands()) > quads) return nullptr;
    return layer;
}

// For any number of rows of x.
std::unique_ptr<SparseMatrix> make_matrix(IntegerRows weight, const ByteKernels& bytes, Isa isa) {
    const LaneKernels* lanes = lane_kernels(isa);
    const double share = lanes ? kDenseShareOfWindows : kDenseShareOfQuads;
    if (const DenseKernels* dense = dense_kernels_for(weight, share, isa))
        return std::make_unique<DynamicDenseMatrix>(weight, *dense, bytes, isa);
    if (lanes) return std::make_unique<DynamicLaneMatrix>(std::move(weight), *lanes, bytes, isa);
    return std::make_unique<DynamicMatrix>(std::move(weight), *quad_kernels(isa), bytes, *panel_kernels(isa), isa);
}

// Null if no layout is faster for so few rows, 0 if that is not known: zeros are multiplied, too, where these are few.
std::unique_ptr<SparseMatrix> make_few_rows_matrix(const IntegerRows& weight, const ByteKernels& bytes, Isa isa,
                                                   int64_t expected_rows) {
    const auto with_many = [&](auto few, int64_t few_rows) {
        const auto make_many = [from = few.get(), &bytes, isa] { return make_matrix(from->to_rows(), bytes, isa); };
        return std::make_unique<FewRowsMatrix>(std::move(few), few_rows, make_many);
    };
    const ByteWindowKernels* windows = byte_window_kernels(isa);
    const WindowKernels* floats = window_kernels(isa);
    if (dense_kernels_for(weight, windows ? kDenseShareOfWindows : kDenseShareOfQuads, isa)) return nullptr;
    constexpr int64_t kFewRows = ByteWindowKernels::kMaxVectors;
    if (windows && expected_rows <= kFewRows && weight.columns <= ByteWindows::kMaxColumns)
        return with_many(std::make_unique<const DynamicWindowMatrix>(weight, *windows, bytes, isa), kFewRows);
    if (!windows && floats && expected_rows <= floats->few_rows && weight.value.size() <= floats->max_nonzeros &&
        DynamicFloatWindowMatrix::is_exact(weight))
        return with_many(std::make_unique<const DynamicFloatWindowMatrix>(weight, *floats, bytes, isa),
                         floats->few_rows);
    return nullptr;
}

}  // namespace

std::unique_ptr<SparseMatrix> create_dynamic_matrix(SparseWeight weight, bool transposed, Isa isa,
                                                    int64_t expected_rows, const char** problem) {
    const bool empty = weight.numel() == 0;
    IntegerRows rows;
    *problem = round_rows(transposed ? rows_of(std::move(weight)) : transposed_rows_of(weight), &rows);
    if (*problem) return nullptr;
    const ByteKernels* bytes = byte_kernels(isa);
    if (!bytes || empty) return std::make_unique<ScalarDynamicMatrix>(std::move(rows));
    if (auto few = make_few_rows_matrix(rows, *bytes, isa, expected_rows)) return few;
    return make_matrix(std::move(rows), *bytes, isa);
}

std::unique_ptr<SparseConvolution> create_dynamic_convolution(SparseWeight weight, const ConvolutionParams& params,
                                                              Isa isa, const char** problem) {
    const bool empty = weight.numel() == 0;
    Spatial kernel{1, 1, 1};
    const size_t spatial_rank = weight.shape.size() - 2;
    for (size_t d = 0; d < spatial_rank; ++d) kernel[3 - spatial_rank + d] = weight.shape[2 + d];
    IntegerRows rows;
    *problem = round_rows(rows_of(std::move(weight)), &rows);
    if (*problem) return nullptr;
    const ByteKernels* bytes = byte_kernels(isa);
    if (!bytes || empty || product(kernel) > kMaxTaps || params.groups > kMaxGroups)
        return std::make_unique<ScalarDynamicConvolution>(std::move(rows), kernel, params);
    if (auto layer = make_lane_convolution(rows, kernel, params, *bytes, isa)) return layer;
    return std::make_unique<DynamicConvolution>(std::move(rows), kernel, params, *quad_kernels(isa), *bytes,
                                                *panel_kernels(isa), isa);
}

}  // namespace onnxdc
