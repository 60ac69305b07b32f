#include "ops/matmul.h"

#include "ops/matrix_weight.h"

namespace onnxdc {
namespace {

constexpr size_t kA = 0;
constexpr size_t kBias = MatMulKernel::kWeightInput + kGroupInputs;

int64_t expected_rows(const std::vector<int64_t>& a_dims) {
    int64_t rows = a_dims.empty() ? 0 : 1;
    for (size_t i = 0; i + 1 < a_dims.size(); ++i) {
        if (a_dims[i] < 0 || __builtin_mul_overflow(rows, a_dims[i], &rows)) return 0;
    }
    return rows;
}

}  // namespace

MatMulKernel::MatMulKernel(const ort::KernelInfo& info, const Fusion& fusion, const GroupTensors& group,
                           Arithmetic arithmetic)
    : matrix_(read_matrix(info, group, false, expected_rows(info.input_dims(kA)), arithmetic)),
      has_bias_(*fusion.added),
      epilogue_(info, fusion, kInputs + fusion.added_inputs()) {}

// All axes of A but the last are rows of one product. A vector is one row, whose axis the output does not have.
void MatMulKernel::compute(const ort::Context& context) const {
    const ort::Tensor a = context.input(kA);
    const int64_t k = matrix_->inputs();
    if (a.dims.empty() || a.dims.back() != k) {
        throw ort::Error(kOrtInvalidArgument, "A has shape " + ort::shape_text(a.dims) +
                                                  ", expected a last dimension of " + std::to_string(k));
    }
    std::vector<int64_t> dims = a.dims;
    dims.back() = matrix_->outputs();
    MatrixRun run;
    run.x = static_cast<const float*>(a.data);
    run.m = 1;
    for (size_t i = 0; i + 1 < dims.size(); ++i) run.m *= dims[i];
    run.x_row_stride = k;
    run.y_row_stride = matrix_->outputs();
    if (has_bias_) {
        const ort::Tensor bias = context.input(kBias);
        if (bias.dims != std::vector<int64_t>{matrix_->outputs()}) {
            throw ort::Error(kOrtInvalidArgument, "the bias has shape " + ort::shape_text(bias.dims) + ", expected " +
                                                      ort::shape_text({matrix_->outputs()}));
        }
        run.bias = static_cast<const float*>(bias.data);
    }
    run.epilogue = epilogue_.read(context);
    run.y = static_cast<float*>(context.output(dims));
    run_matrix(*matrix_, run, context, threads_);
}

}  // namespace onnxdc
