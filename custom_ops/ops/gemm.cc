#include "ops/gemm.h"

#include <algorithm>

#include "ops/matrix_weight.h"
#include "ops/session.h"

namespace onnxdc {
namespace {

constexpr size_t kA = 0;
constexpr size_t kC = GemmKernel::kWeightInput + kGroupInputs;

// C as the specification broadcasts it to [M, N]: a stride is 0 along an axis on which C has one element.
struct BroadcastC {
    const float* data;
    int64_t row_stride;
    int64_t column_stride;
};

BroadcastC broadcast(const ort::Tensor& c, int64_t m, int64_t n) {
    const size_t rank = c.dims.size();
    const int64_t columns = rank >= 1 ? c.dims[rank - 1] : 1;
    const int64_t rows = rank >= 2 ? c.dims[rank - 2] : 1;
    if (rank > 2 || (columns != 1 && columns != n) || (rows != 1 && rows != m)) {
        throw ort::Error(kOrtInvalidArgument, "C has shape " + ort::shape_text(c.dims) +
                                                  ", which does not broadcast to " + ort::shape_text({m, n}));
    }
    return {static_cast<const float*>(c.data), rows == 1 ? 0 : columns, columns == 1 ? 0 : 1};
}

int64_t expected_rows(const std::vector<int64_t>& a_dims, bool transpose_a) {
    return a_dims.size() == 2 ? std::max<int64_t>(0, a_dims[transpose_a ? 1 : 0]) : 0;
}

}  // namespace

GemmKernel::GemmKernel(const ort::KernelInfo& info, const Fusion& fusion, const GroupTensors& group,
                       Arithmetic arithmetic)
    : transpose_a_(info.attribute("transA", int64_t{0}) != 0),
      alpha_(info.attribute("alpha", 1.0f)),
      beta_(info.attribute("beta", 1.0f)),
      matrix_(read_matrix(info, group, info.attribute("transB", int64_t{0}) != 0,
                          expected_rows(info.input_dims(kA), transpose_a_), arithmetic)),
      epilogue_(info, fusion, kInputs) {}

void GemmKernel::compute(const ort::Context& context) const {
    const ort::Tensor a = context.input(kA);
    const int64_t k = matrix_->inputs();
    const int64_t n = matrix_->outputs();
    if (a.dims.size() != 2 || a.dims[transpose_a_ ? 0 : 1] != k) {
        const std::string expected = transpose_a_ ? "[" + std::to_string(k) + ", M]" : "[M, " + std::to_string(k) + "]";
        throw ort::Error(kOrtInvalidArgument, "A has shape " + ort::shape_text(a.dims) + ", expected " + expected);
    }
    MatrixRun run;
    run.x = static_cast<const float*>(a.data);
    run.m = a.dims[transpose_a_ ? 1 : 0];
    run.x_row_stride = transpose_a_ ? 1 : k;
    run.x_column_stride = transpose_a_ ? run.m : 1;
    run.y_row_stride = n;
    run.alpha = alpha_;

    BroadcastC c{};
    if (context.has_input(kC) && beta_ != 0.0f) c = broadcast(context.input(kC), run.m, n);
    run.epilogue = epilogue_.read(context);
    run.y = static_cast<float*>(context.output({run.m, n}));

    // A C of one row goes into the product as its bias; one with a row for each of A's is added like a residual.
    const int64_t rows = !c.data ? 0 : c.row_stride == 0 ? 1 : run.m;
    const Scratch scratch(context, static_cast<size_t>(rows * n) * sizeof(float));
    if (c.data) {
        auto* scaled = static_cast<float*>(scratch.get());
        for (int64_t i = 0; i < rows; ++i) {
            for (int64_t j = 0; j < n; ++j) scaled[i * n + j] = beta_ * c.data[i * c.row_stride + j * c.column_stride];
        }
        (c.row_stride == 0 ? run.bias : run.epilogue.residual) = scaled;
    }
    run_matrix(*matrix_, run, context, threads_);
}

}  // namespace onnxdc
