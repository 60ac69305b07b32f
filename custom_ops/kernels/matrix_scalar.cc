#include "kernels/matrix_scalar.h"

namespace onnxdc {

void ScalarMatrix::run(const MatrixRun& run, void*, Executor& executor) const {
    const size_t tasks = executor.workers();
    const Finish finish = finish_kernel(isa());
    executor.parallel_for(tasks, [&](size_t task) {
        const Range rows = part_of(weight_.rows, tasks, task);
        for (int64_t i = 0; i < run.m; ++i) {
            const float* x = run.x + i * run.x_row_stride;
            float* y = run.y + i * run.y_row_stride;
            for (size_t row = rows.begin; row < rows.end; ++row) {
                float sum = 0.0f;
                for (uint32_t j = weight_.start[row]; j < weight_.start[row + 1]; ++j) {
                    sum += x[weight_.column[j] * run.x_column_stride] * weight_.values[weight_.code[j]];
                }
                y[row] = run.alpha * sum + (run.bias ? run.bias[row] : 0.0f);
            }
            y += rows.begin;
            finish(run.epilogue, run.epilogue.residual_at(y - run.y), y, rows.end - rows.begin);
        }
    });
}

}  // namespace onnxdc
