// The shapes of a convolution: from the node's attributes and the input's dimensions to pads and output dimensions.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "abi/ort.h"

namespace onnxdc {

constexpr size_t kMaxSpatialAxes = 3;

// What the node says, the same at every call; one value for each spatial axis.
struct ConvAttributes {
    // Reads and checks the attributes of a node whose weight has shape [M, C/group, kernel...]. Throws ort::Error.
    ConvAttributes(const ort::KernelInfo& info, const std::vector<int64_t>& weight_shape);

    enum class Padding { explicit_, valid, same_upper, same_lower };

    Padding padding = Padding::explicit_;
    int64_t group = 1;
    int64_t out_channels = 0;
    int64_t in_channels = 0;
    std::vector<int64_t> kernel;
    std::vector<int64_t> strides;
    std::vector<int64_t> dilations;
    std::vector<int64_t> pads;  // all begins, then all ends; used with Padding::explicit_
};

// What follows for one input.
struct ConvShape {
    // Throws ort::Error if an input of these dimensions does not fit the weight.
    ConvShape(const ConvAttributes& attributes, const std::vector<int64_t>& input_dims);

    int64_t batch = 0;
    std::vector<int64_t> in;  // spatial dimensions
    std::vector<int64_t> out;
    std::vector<int64_t> pads_begin;  // negative to crop; what comes after the end follows from `out`

    // [batch, out_channels, out...]
    std::vector<int64_t> output_dims;
};

}  // namespace onnxdc
