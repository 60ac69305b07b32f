// What is done to the outputs of a sparse operator while they are still in a cache: a residual is added and an
// activation applied.
#pragma once

#include <cstddef>

#include "isa/isa.h"

namespace onnxdc {

enum class Activation {
    none,
    relu,
    clip,        // between a and b; to b where a is above it
    leaky_relu,  // a * y for negative y
    silu,        // y * sigmoid(y)
    hard_swish,  // y * clip(y + 3, 0, 6) / 6
    gelu,        // y * (1 + erf(y / sqrt(2))) / 2
    gelu_tanh,   // y * (1 + tanh(sqrt(2 / pi) * (y + 0.044715 * y^3))) / 2
};

// y = activation(y + residual). A NaN stays one whatever the activation.
struct Epilogue {
    Activation activation = Activation::none;
    float a = 0.0f, b = 0.0f;         // the a and b of the activation, if it has any
    const float* residual = nullptr;  // lies as y does; null if there is none

    const float* residual_at(ptrdiff_t offset) const { return residual ? residual + offset : nullptr; }
};

// Applies the activation to y[i] + residual[i] in place, i < count; a null residual adds nothing. Each output gets the
// same bits however the outputs are cut into pieces.
using Finish = void (*)(const Epilogue& epilogue, const float* residual, float* y, size_t count);

Finish finish_kernel(Isa isa);

// What the files of each instruction set define.
void finish_avx512(const Epilogue& epilogue, const float* residual, float* y, size_t count);
void finish_avx2(const Epilogue& epilogue, const float* residual, float* y, size_t count);

}  // namespace onnxdc
