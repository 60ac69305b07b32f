#include "kernels/convolution_scalar.h"

#include <algorithm>

namespace onnxdc {
namespace {

// The outputs of one axis, first <= output < last, whose input lies inside x: input = output * stride + shift.
struct Reach {
    Reach(int64_t in_size, int64_t out_size, int64_t stride, int64_t shift)
        : stride(stride),
          shift(shift),
          first(shift >= 0 ? 0 : (-shift + stride - 1) / stride),
          last(shift >= in_size ? 0 : std::min(out_size, (in_size - shift + stride - 1) / stride)) {}

    int64_t stride, shift, first, last;
};

// Adds `weight` times the input that one nonzero sees to a plane of the output.
void accumulate(const float* x, const Spatial& in_size, float* y, const Spatial& out_size, const Reach (&axis)[3],
                float weight) {
    for (int64_t z = axis[0].first; z < axis[0].last; ++z) {
        for (int64_t r = axis[1].first; r < axis[1].last; ++r) {
            const int64_t in_row =
                (z * axis[0].stride + axis[0].shift) * in_size[1] + r * axis[1].stride + axis[1].shift;
            const int64_t from = in_row * in_size[2] + axis[2].shift;
            float* to = y + (z * out_size[1] + r) * out_size[2];
            for (int64_t c = axis[2].first; c < axis[2].last; ++c) to[c] += weight * x[from + c * axis[2].stride];
        }
    }
}

}  // namespace

int64_t ScalarConvolution::inputs() const {
    const int64_t taps = product(kernel_);
    return taps == 0 ? 0 : static_cast<int64_t>(weight_.columns) / taps * params_.groups;
}

void ScalarConvolution::compute_plane(const ConvolutionRun& run, int64_t image, size_t row) const {
    const int64_t group = static_cast<int64_t>(row) / (outputs() / params_.groups);
    const int64_t taps = product(kernel_);
    const int64_t first_channel = image * inputs() + group * (inputs() / params_.groups);
    const int64_t out_plane = product(run.out_size);
    float* y = run.y + (image * outputs() + static_cast<int64_t>(row)) * out_plane;
    std::fill(y, y + out_plane, run.bias ? run.bias[row] : 0.0f);
    for (uint32_t i = weight_.start[row]; i < weight_.start[row + 1]; ++i) {
        const int64_t tap = weight_.column[i] % taps;
        const Spatial at{tap / (kernel_[1] * kernel_[2]), tap / kernel_[2] % kernel_[1], tap % kernel_[2]};
        const auto reach = [&](size_t d) {
            return Reach(run.in_size[d], run.out_size[d], params_.strides[d],
                         at[d] * params_.dilations[d] - run.pads[d]);
        };
        const float* x = run.x + (first_channel + weight_.column[i] / taps) * product(run.in_size);
        accumulate(x, run.in_size, y, run.out_size, {reach(0), reach(1), reach(2)}, weight_.values[weight_.code[i]]);
    }
    finish_kernel(isa())(run.epilogue, run.epilogue.residual_at(y - run.y), y, static_cast<size_t>(out_plane));
}

void ScalarConvolution::run(const ConvolutionRun& run, void*, Executor& executor) const {
    const size_t planes = static_cast<size_t>(run.batch) * weight_.rows;
    const size_t tasks = executor.workers();
    executor.parallel_for(tasks, [&](size_t task) {
        const Range part = part_of(planes, tasks, task);
        for (size_t plane = part.begin; plane < part.end; ++plane) {
            compute_plane(run, static_cast<int64_t>(plane / weight_.rows), plane % weight_.rows);
        }
    });
}

}  // namespace onnxdc
