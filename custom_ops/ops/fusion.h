// What an operator does after its product, as its name says: SparseQuantConvAddRelu adds a residual and applies Relu.
#pragma once

#include <cstddef>

#include "simd/epilogue.h"

namespace onnxdc {

struct Fusion {
    const char* added = "";  // part of the name: "Add", "Bias", or nothing
    const char* activated = "";
    Activation activation = Activation::none;

    // Inputs after the operator's own: what is added, then the bounds of Clip, each of which may be left out.
    size_t added_inputs() const { return *added ? 1 : 0; }
    size_t bounds() const { return activation == Activation::clip ? 2 : 0; }
};

// Every activation, with its part of the name.
constexpr Fusion kActivations[] = {
    {"", "", Activation::none},  //
    {"", "Relu", Activation::relu},
    {"", "Clip", Activation::clip},
    {"", "LeakyRelu", Activation::leaky_relu},
    {"", "Silu", Activation::silu},
    {"", "HardSwish", Activation::hard_swish},
    {"", "Gelu", Activation::gelu},
    {"", "GeluTanh", Activation::gelu_tanh},
};

}  // namespace onnxdc
