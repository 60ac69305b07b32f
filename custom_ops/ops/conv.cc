#include "ops/conv.h"

#include <algorithm>

#include "ops/heap.h"
#include "ops/session.h"

namespace onnxdc {
namespace {

constexpr size_t kX = 0;
constexpr size_t kBias = 8;

// The kernels always see three axes: those that are missing come first, with a neutral value.
Spatial three_axes(const std::vector<int64_t>& values, int64_t neutral) {
    Spatial spatial;
    spatial.fill(neutral);
    std::copy(values.begin(), values.end(), spatial.end() - static_cast<std::ptrdiff_t>(values.size()));
    return spatial;
}

}  // namespace

ConvKernel::ConvKernel(const ort::KernelInfo& info, const Fusion& fusion, const WeightInput& weight)
    : attributes_(info, weight.group().shape), epilogue_(info, fusion, kInputs, *fusion.added) {
    ConvolutionParams params;
    params.groups = attributes_.group;
    params.strides = three_axes(attributes_.strides, 1);
    params.dilations = three_axes(attributes_.dilations, 1);
    convolution_ = SparseConvolution::create(weight.decode(attributes_.out_channels), params, session_isa());
    release_free_memory(weight.group().entries());
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
    run.epilogue = epilogue_.read(context, shape.output_dims);
    run.y = static_cast<float*>(context.output(shape.output_dims));
    run.batch = shape.batch;
    run.in_size = three_axes(shape.in, 1);
    run.out_size = three_axes(shape.out, 1);
    run.pads = three_axes(shape.pads_begin, 0);

    SessionExecutor executor(context, threads_);
    const Scratch scratch(context, convolution_->scratch_nbytes(run, executor.workers()));
    convolution_->run(run, scratch.get(), executor);
}

}  // namespace onnxdc
