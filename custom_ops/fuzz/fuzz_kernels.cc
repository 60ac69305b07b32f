// Any layer, on floats and on integers, in every instruction set that this machine has: the outputs are near those in
// float64, the same from every executor, and nothing is written outside them. The bytes are what tests/test_random_*.cc
// draw.
#include "fuzz/input.h"
#include "tests/convolution_case.h"
#include "tests/dynamic_case.h"
#include "tests/matrix_case.h"

using namespace onnxdc;
using fuzz::Input;

namespace {

constexpr int64_t kMaxProducts = 300000;  // of a naive computation, so that a run takes milliseconds

WeightSpec read_spec(Input* input, const std::vector<int64_t>& shape) {
    WeightSpec spec;
    spec.density = static_cast<double>(input->byte()) / 255.0;
    spec.codes = input->any(2, 256);
    spec.lone = input->one_in(16);
    spec.uneven = input->one_in(3);
    spec.odd_values = input->one_in(16);
    spec.group_axis = input->any(0, static_cast<int64_t>(shape.size()) - 1);
    const int64_t length = shape[static_cast<size_t>(spec.group_axis)], groups = input->any(1, 6);
    if (length > 0 && length % groups == 0) spec.groups = groups;
    return spec;
}

void run_matrix_case(Input* input, uint32_t seed) {
    MatrixCase c;
    c.m = input->any(0, 90);
    c.inputs = input->any(0, 700);
    c.outputs = input->any(0, 300);
    c.weight_transposed = input->one_in(2);
    c.x_transposed = input->one_in(3);
    c.has_bias = input->one_in(2);
    c.special = input->any(0, 3);
    c.alpha = input->one_in(3) ? 0.5f : 1.0f;
    c.expected_m = input->any(0, 20);
    c.x_gap = input->any(0, 3);
    c.y_gap = input->any(0, 3);
    c.workers = {static_cast<size_t>(input->any(1, 4))};
    c.weight = read_spec(input, c.weight_shape());
    if (c.m * (c.inputs + 1) * (c.outputs + 1) > kMaxProducts) c.m = 1;
    REQUIRE(check_case(c, seed) && check_dynamic(c, seed));
}

void run_convolution_case(Input* input, uint32_t seed) {
    ConvolutionCase c;
    c.rank = static_cast<int>(input->any(1, 3));
    c.batch = input->any(0, 5);
    c.params.groups = input->any(1, 9);
    c.inputs = c.params.groups * input->any(0, 20);
    c.outputs = c.params.groups * input->any(0, 40);
    c.in_size = c.kernel = {1, 1, 1};
    c.pads = c.end_pads = {0, 0, 0};
    for (size_t d = static_cast<size_t>(3 - c.rank); d < 3; ++d) {
        c.in_size[d] = input->any(0, 40);
        c.kernel[d] = input->any(1, 7);
        c.params.strides[d] = input->any(1, 9);
        c.params.dilations[d] = input->any(1, 4);
        c.pads[d] = input->any(-6, 6);
        c.end_pads[d] = input->any(-6, 6);
    }
    c.has_bias = input->one_in(2);
    c.special = input->any(0, 3);
    c.workers = {static_cast<size_t>(input->any(1, 4))};
    c.weight = read_spec(input, c.weight_shape());
    const int64_t taps = c.inputs / c.params.groups * product(c.kernel);
    const int64_t pixels = std::max<int64_t>(product(c.out_size()), product(c.in_size));
    if (c.outputs * (1 + taps) > 20000 || (1 + c.batch) * pixels * c.outputs * (1 + taps) > kMaxProducts) return;
    REQUIRE(check_case(c, seed) && check_dynamic(c, seed));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input(data, size);
    const bool matrix = input.one_in(2);
    const auto seed = static_cast<uint32_t>(input.number(2));
    matrix ? run_matrix_case(&input, seed) : run_convolution_case(&input, seed);
    return 0;
}
