#include "ops/conv_shape.h"

#include <algorithm>

namespace onnxdc {
namespace {

[[noreturn]] void reject(int code, const std::string& message) { throw ort::Error(code, message); }

// Of an attribute: larger ones have no use, and could overflow what is computed from them.
constexpr int64_t kMaxValue = (int64_t{1} << 31) - 1;

// Of an image with its padding, which the kernels may copy: any count of its bytes then fits in 64 bits.
constexpr int64_t kMaxPaddedElements = int64_t{1} << 40;

// A list attribute of `count` values from `minimum` to kMaxValue.
std::vector<int64_t> axis_values(const ort::KernelInfo& info, const char* name, size_t count, int64_t fallback,
                                 int64_t minimum) {
    const std::vector<int64_t> values = info.attribute(name, std::vector<int64_t>(count, fallback));
    if (values.size() != count || std::any_of(values.begin(), values.end(),
                                              [&](int64_t value) { return value < minimum || value > kMaxValue; })) {
        reject(kOrtInvalidGraph, std::string(name) + " is " + ort::shape_text(values) + ", expected " +
                                     std::to_string(count) + " values from " + std::to_string(minimum) +
                                     " to 2^31 - 1");
    }
    return values;
}

ConvAttributes::Padding padding_of(const std::string& auto_pad) {
    if (auto_pad.empty() || auto_pad == "NOTSET") return ConvAttributes::Padding::explicit_;
    if (auto_pad == "VALID") return ConvAttributes::Padding::valid;
    if (auto_pad == "SAME_UPPER") return ConvAttributes::Padding::same_upper;
    if (auto_pad == "SAME_LOWER") return ConvAttributes::Padding::same_lower;
    reject(kOrtInvalidGraph, "auto_pad is " + auto_pad + ", expected NOTSET, VALID, SAME_UPPER or SAME_LOWER");
}

// The zeros before an axis, and those before and after it together; negative for inputs that are left out.
struct AxisPads {
    int64_t begin;
    int64_t total;
};

// `span` is the distance from the first tap of the kernel to the end of the last.
AxisPads axis_pads(const ConvAttributes& attributes, size_t axis, int64_t in, int64_t span) {
    if (attributes.padding == ConvAttributes::Padding::valid) return {0, 0};
    if (attributes.padding == ConvAttributes::Padding::explicit_) {
        const int64_t begin = attributes.pads[axis];
        return {begin, begin + attributes.pads[attributes.kernel.size() + axis]};
    }
    // As many outputs as strides fit in the input. An odd total has its larger half at the end, or at the beginning.
    // Where a stride is longer than the span, the total may be negative: the input is cropped rather than padded. The
    // specification leaves open where; onnxruntime crops one element less than the total, in halves rounded to 0.
    const int64_t stride = attributes.strides[axis];
    const int64_t needed = ((in + stride - 1) / stride - 1) * stride + span - in;
    const int64_t total = needed < 0 ? needed + 1 : needed;
    return {attributes.padding == ConvAttributes::Padding::same_upper ? total / 2 : (total + 1) / 2, total};
}

}  // namespace

ConvAttributes::ConvAttributes(const ort::KernelInfo& info, const std::vector<int64_t>& weight_shape) {
    if (weight_shape.size() < 3 || weight_shape.size() > 2 + kMaxSpatialAxes) {
        reject(kOrtInvalidGraph, "the weight has shape " + ort::shape_text(weight_shape) + ", expected rank 3, 4 or 5");
    }
    kernel.assign(weight_shape.begin() + 2, weight_shape.end());
    if (std::count(kernel.begin(), kernel.end(), 0) > 0) {
        reject(kOrtInvalidGraph, "the kernel is empty: " + ort::shape_text(kernel));
    }
    if (info.attribute("kernel_shape", kernel) != kernel) {
        reject(kOrtInvalidGraph, "kernel_shape is " + ort::shape_text(info.attribute("kernel_shape", kernel)) +
                                     ", the weight's is " + ort::shape_text(kernel));
    }
    padding = padding_of(info.attribute("auto_pad", "NOTSET"));
    strides = axis_values(info, "strides", kernel.size(), 1, 1);
    dilations = axis_values(info, "dilations", kernel.size(), 1, 1);
    pads = axis_values(info, "pads", 2 * kernel.size(), 0, 0);
    group = info.attribute("group", int64_t{1});
    out_channels = weight_shape[0];
    if (group < 1 || group > kMaxValue || out_channels % group != 0) {
        reject(kOrtInvalidGraph, "group is " + std::to_string(group) + ", which does not divide " +
                                     std::to_string(out_channels) + " output channels");
    }
    in_channels = weight_shape[1] * group;
}

ConvShape::ConvShape(const ConvAttributes& attributes, const std::vector<int64_t>& input_dims) {
    const size_t axes = attributes.kernel.size();
    if (input_dims.size() != axes + 2 || input_dims[1] != attributes.in_channels) {
        reject(kOrtInvalidArgument, "the input has shape " + ort::shape_text(input_dims) + ", expected rank " +
                                        std::to_string(axes + 2) + " with " + std::to_string(attributes.in_channels) +
                                        " channels");
    }
    batch = input_dims[0];
    in.assign(input_dims.begin() + 2, input_dims.end());
    output_dims = {batch, attributes.out_channels};
    int64_t padded_elements = std::max<int64_t>(1, attributes.in_channels);
    for (size_t axis = 0; axis < axes; ++axis) {
        const int64_t span = (attributes.kernel[axis] - 1) * attributes.dilations[axis] + 1;
        const AxisPads pads = axis_pads(attributes, axis, in[axis], span);
        const int64_t room = in[axis] + pads.total - span;
        if (room < 0 && in[axis] > 0) {
            reject(kOrtInvalidArgument, "the input has shape " + ort::shape_text(input_dims) +
                                            ", padded smaller than the kernel of shape " +
                                            ort::shape_text(attributes.kernel));
        }
        const int64_t padded = std::max<int64_t>(1, in[axis] + pads.total);
        if (padded > kMaxPaddedElements / padded_elements) {
            reject(kOrtInvalidArgument, "the input has shape " + ort::shape_text(input_dims) +
                                            ", more than 2^40 elements an image with its padding");
        }
        padded_elements *= padded;
        pads_begin.push_back(pads.begin);
        out.push_back(room < 0 ? 0 : room / attributes.strides[axis] + 1);
        output_dims.push_back(out.back());
    }
}

}  // namespace onnxdc
