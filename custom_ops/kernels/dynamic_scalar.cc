#include "kernels/dynamic_scalar.h"

#include <algorithm>

#include "kernels/input_range.h"
#include "kernels/reach.h"
#include "kernels/scratch.h"

namespace onnxdc {

// The inputs of a run as bytes.
struct ScalarDynamicMatrix::Plan {
    Plan(const ScalarDynamicMatrix& layer, size_t m, void* memory) : scratch(memory) {
        ranges = scratch.take<InputRange>(m);
        bytes = scratch.take<uint8_t>(m * layer.weight_.columns);
    }

    ScratchCut scratch;
    InputRange* ranges;  // [m]
    uint8_t* bytes;      // [m, columns]
};

size_t ScalarDynamicMatrix::scratch_nbytes(int64_t m, size_t) const {
    return Plan(*this, static_cast<size_t>(m), nullptr).scratch.nbytes();
}

void ScalarDynamicMatrix::run(const MatrixRun& run, void* scratch, Executor& executor) const {
    const auto m = static_cast<size_t>(run.m);
    const size_t tasks = executor.workers(), columns = weight_.columns;
    const Plan plan(*this, m, scratch);
    executor.parallel_for(tasks, [&](size_t task) {
        const Range part = part_of(m, tasks, task);
        for (size_t i = part.begin; i < part.end; ++i) {
            const float* x = run.x + static_cast<int64_t>(i) * run.x_row_stride;
            plan.ranges[i] = find_range(x, run.x_column_stride, columns);
            round_inputs(x, run.x_column_stride, columns, plan.ranges[i], plan.bytes + i * columns);
        }
    });
    const Finish finish = finish_kernel(isa());
    executor.parallel_for(tasks, [&](size_t task) {
        const Range rows = part_of(weight_.rows, tasks, task);
        for (size_t i = 0; i < m; ++i) {
            const uint8_t* x = plan.bytes + i * columns;
            float* y = run.y + static_cast<int64_t>(i) * run.y_row_stride;
            for (size_t row = rows.begin; row < rows.end; ++row) {
                int32_t sum = -plan.ranges[i].zero * weight_.sum[row];
                for (uint32_t j = weight_.start[row]; j < weight_.start[row + 1]; ++j)
                    sum += weight_.value[j] * x[weight_.column[j]];
                const float scale = plan.ranges[i].scale * (run.alpha * weight_.scale[row]);
                y[row] = static_cast<float>(sum) * scale + (run.bias ? run.bias[row] : 0.0f);
            }
            y += rows.begin;
            finish(run.epilogue, run.epilogue.residual_at(y - run.y), y, rows.end - rows.begin);
        }
    });
}

// The inputs of a run as bytes, and the sums of each worker.
struct ScalarDynamicConvolution::Plan {
    Plan(const ScalarDynamicConvolution& layer, const ConvolutionRun& run, void* memory, size_t worker_count)
        : scratch(memory), image_size(static_cast<size_t>(layer.inputs() * product(run.in_size))) {
        const auto batch = static_cast<size_t>(run.batch);
        out_plane = static_cast<size_t>(product(run.out_size));
        ranges = scratch.take<InputRange>(batch);
        bytes = scratch.take<uint8_t>(batch * image_size);
        sums = scratch.take<int32_t>(worker_count * out_plane);
    }

    ScratchCut scratch;
    size_t image_size, out_plane;
    InputRange* ranges;  // [batch]
    uint8_t* bytes;      // [batch, image_size]
    int32_t* sums;       // [workers, out_plane]
};

int64_t ScalarDynamicConvolution::inputs() const {
    const int64_t taps = product(kernel_);
    return taps == 0 ? 0 : static_cast<int64_t>(weight_.columns) / taps * params_.groups;
}

size_t ScalarDynamicConvolution::scratch_nbytes(const ConvolutionRun& run, size_t workers) const {
    return is_empty(run) ? 0 : Plan(*this, run, nullptr, workers).scratch.nbytes();
}

void ScalarDynamicConvolution::compute_plane(const ConvolutionRun& run, const Plan& plan, size_t image, size_t row,
                                             int32_t* sums) const {
    const auto groups = static_cast<size_t>(params_.groups), in_plane = static_cast<size_t>(product(run.in_size)),
               taps = static_cast<size_t>(product(kernel_));
    const InputRange& range = plan.ranges[image];
    const uint8_t* inputs =
        plan.bytes + image * plan.image_size + row / (weight_.rows / groups) * (plan.image_size / groups);
    std::fill_n(sums, plan.out_plane, 0);
    for (uint32_t i = weight_.start[row]; i < weight_.start[row + 1]; ++i) {
        const uint8_t* x = inputs + weight_.column[i] / taps * in_plane;
        const int32_t weight = weight_.value[i];
        ColumnReach(run, params_, kernel_, weight_.column[i])
            .for_each_row(run, [&](int64_t to, int64_t from, int64_t count, int64_t stride) {
                for (int64_t c = 0; c < count; ++c) sums[to + c] += weight * (x[from + c * stride] - range.zero);
            });
    }
    const float scale = range.scale * weight_.scale[row], bias = run.bias ? run.bias[row] : 0.0f;
    float* y = run.y + (image * weight_.rows + row) * plan.out_plane;
    for (size_t i = 0; i < plan.out_plane; ++i) y[i] = static_cast<float>(sums[i]) * scale + bias;
    finish_kernel(isa())(run.epilogue, run.epilogue.residual_at(y - run.y), y, plan.out_plane);
}

void ScalarDynamicConvolution::run(const ConvolutionRun& run, void* scratch, Executor& executor) const {
    if (is_empty(run)) return;
    const auto batch = static_cast<size_t>(run.batch);
    const size_t tasks = executor.workers(), planes = batch * weight_.rows;
    const Plan plan(*this, run, scratch, tasks);
    executor.parallel_for(tasks, [&](size_t task) {
        const Range images = part_of(batch, tasks, task);
        for (size_t image = images.begin; image < images.end; ++image) {
            const float* x = run.x + image * plan.image_size;
            plan.ranges[image] = find_range(x, 1, plan.image_size);
            round_inputs(x, 1, plan.image_size, plan.ranges[image], plan.bytes + image * plan.image_size);
        }
    });
    executor.parallel_for(tasks, [&](size_t task) {
        const Range part = part_of(planes, tasks, task);
        for (size_t plane = part.begin; plane < part.end; ++plane)
            compute_plane(run, plan, plane / weight_.rows, plane % weight_.rows, plan.sums + task * plan.out_plane);
    });
}

}  // namespace onnxdc
