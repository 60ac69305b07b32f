#include "ops/epilogue_input.h"

#include <limits>
#include <string>

namespace onnxdc {
namespace {

constexpr float kMaxFloat = std::numeric_limits<float>::max();

}  // namespace

EpilogueInput::EpilogueInput(const ort::KernelInfo& info, const Fusion& fusion, size_t first_bound)
    : activation_(fusion.activation),
      slope_(fusion.activation == Activation::leaky_relu ? info.attribute("slope", 0.01f) : 0.0f),
      first_bound_(first_bound) {}

Epilogue EpilogueInput::read(const ort::Context& context) const {
    Epilogue epilogue;
    epilogue.activation = activation_;
    epilogue.a = slope_;
    if (activation_ == Activation::clip) {
        epilogue.a = bound(context, first_bound_, -kMaxFloat);
        epilogue.b = bound(context, first_bound_ + 1, kMaxFloat);
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
