#include "ops/conv.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "kernels/dynamic.h"
#include "ops/heap.h"
#include "ops/session.h"

namespace onnxdc {
namespace {

constexpr size_t kX = 0;
constexpr size_t kBias = ConvKernel::kWeightInput + kGroupInputs;

// The kernels always see three axes: those that are missing come first, with a neutral value.
Spatial three_axes(const std::vector<int64_t>& values, int64_t neutral) {
    Spatial spatial;
    spatial.fill(neutral);
    std::copy_n(values.rbegin(), std::min(values.size(), spatial.size()), spatial.rbegin());
    return spatial;
}

}  // namespace

ConvKernel::ConvKernel(const ort::KernelInfo& info, const Fusion& fusion, const WeightInput& weight,
                       Arithmetic arithmetic)
    : attributes_(info, weight.group().shape),
      adds_residual_(*fusion.added),
      epilogue_(info, fusion, kInputs + fusion.added_inputs()) {
    ConvolutionParams params;
    params.groups = attributes_.group;
    params.strides = three_axes(attributes_.strides, 1);
    params.dilations = three_axes(attributes_.dilations, 1);
    SparseWeight decoded = weight.decode(attributes_.out_channels);
    const char* problem = nullptr;
    convolution_ = arithmetic == Arithmetic::kDynamic
                       ? create_dynamic_convolution(std::move(decoded), params, session_isa(), &problem)
                       : SparseConvolution::create(std::move(decoded), params, session_isa());
    if (problem) throw ort::Error(kOrtInvalidGraph, problem);
    release_free_memory(weight.group().entries);
}

void ConvKernel::compute(const ort::Context& context) const {
    const ort::Tensor x = context.input(kX);
    const ConvShape shape(attributes_, x.dims);
    ConvolutionRun run;
    if (context.has_input(kBias)) {
        const ort::Tensor bias = context.input(kBias);
        if (bias.dims != std::vector<int64_t>{attributes_.out_channels}) {
            throw ort::Error(kOrtInvalidArgument, "B has shape " + ort::shape_text(bias.dims) + ", expected " +
                                                      ort::shape_text({attributes_.out_channels}));
        }
        run.bias = static_cast<const float*>(bias.data);
    }
    run.x = static_cast<const float*>(x.data);
    run.batch = shape.batch;
    run.in_size = three_axes(shape.in, 1);
    run.out_size = three_axes(shape.out, 1);
    run.pads = three_axes(shape.pads_begin, 0);

    const Epilogue epilogue = epilogue_.read(context);
    if (!adds_residual_) {
        run.epilogue = epilogue;
        run.y = static_cast<float*>(context.output(shape.output_dims));
        convolve(context, run);
        return;
    }
    add_residual(context, shape.output_dims, run, epilogue);
}

void ConvKernel::convolve(const ort::Context& context, const ConvolutionRun& run) const {
    SessionExecutor executor(context, threads_);
    const Scratch scratch(context, convolution_->scratch_nbytes(run, executor.workers()));
    convolution_->run(run, scratch.get(), executor);
}

// The usual residual has the shape of the product, and is added while that is in a cache. Any other is written out in
// the shape of the output; where this is larger than the product, the product is too.
void ConvKernel::add_residual(const ort::Context& context, const Dims& product_dims, ConvolutionRun run,
                              Epilogue epilogue) const {
    const ort::Tensor residual = context.input(kBias + 1);
    const Dims output_dims = broadcast_dims(product_dims, residual.dims);
    auto* output = static_cast<float*>(context.output(output_dims));
    const auto floats = [](const Dims& dims) {
        return static_cast<size_t>(std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>()));
    };
    const Scratch expanded(context, residual.dims == output_dims ? 0 : floats(output_dims) * sizeof(float));
    epilogue.residual = static_cast<const float*>(residual.data);
    if (residual.dims != output_dims) {
        expand(epilogue.residual, residual.dims, static_cast<float*>(expanded.get()), output_dims);
        epilogue.residual = static_cast<const float*>(expanded.get());
    }
    if (product_dims == output_dims) {
        run.epilogue = epilogue;
        run.y = output;
        convolve(context, run);
        return;
    }
    const Scratch product(context, floats(product_dims) * sizeof(float));
    run.y = static_cast<float*>(product.get());
    convolve(context, run);
    expand(run.y, product_dims, output, output_dims);
    finish_kernel(convolution_->isa())(epilogue, epilogue.residual, output, floats(output_dims));
}

}  // namespace onnxdc
