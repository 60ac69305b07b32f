#include "ops/epilogue_input.h"

#include <limits>
#include <string>

namespace onnxdc {
namespace {

constexpr float kMaxFloat = std::numeric_limits<float>::max();

}  // namespace

EpilogueInput::EpilogueInput(const ort::KernelInfo& info, const Fusion& fusion, size_t first, bool adds_residual)
    : activation_(fusion.activation),
      slope_(fusion.activation == Activation::leaky_relu ? info.attribute("slope", 0.01f) : 0.0f),
      first_(first),
      adds_residual_(adds_residual) {}

Epilogue EpilogueInput::read(const ort::Context& context, const std::vector<int64_t>& output_dims) const {
    Epilogue epilogue;
    epilogue.activation = activation_;
    epilogue.a = slope_;
    size_t next = first_;
    if (adds_residual_) {
        const ort::Tensor residual = context.input(next++);
        if (residual.dims != output_dims) {
            throw ort::Error(kOrtInvalidArgument, "the residual has shape " + ort::shape_text(residual.dims) +
                                                      ", the output " + ort::shape_text(output_dims));
        }
        epilogue.residual = static_cast<const float*>(residual.data);
    }
    if (activation_ == Activation::clip) {
        epilogue.a = bound(context, next, -kMaxFloat);
        epilogue.b = bound(context, next + 1, kMaxFloat);
    }
    return epilogue;
}

float EpilogueInput::bound(const ort::Context& context, size_t index, float fallback) const {
    if (!context.has_input(index)) return fallback;
    const ort::Tensor tensor = context.input(index);
    if (tensor.numel() != 1) {
        throw ort::Error(kOrtInvalidArgument,
                         "a bound of Clip has shape " + ort::shape_text(tensor.dims) + ", expected a scalar");
    }
    return *static_cast<const float*>(tensor.data);
}

}  // namespace onnxdc
