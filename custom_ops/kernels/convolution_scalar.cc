#include "kernels/convolution_scalar.h"

#include <algorithm>

#include "kernels/reach.h"

namespace onnxdc {

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
        const float* x = run.x + (first_channel + weight_.column[i] / taps) * product(run.in_size);
        const float weight = weight_.values[weight_.code[i]];
        ColumnReach(run, params_, kernel_, weight_.column[i])
            .for_each_row(run, [&](int64_t to, int64_t from, int64_t count, int64_t stride) {
                for (int64_t c = 0; c < count; ++c) y[to + c] += weight * x[from + c * stride];
            });
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
