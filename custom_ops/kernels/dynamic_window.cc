#include "kernels/dynamic_window.h"

#include <algorithm>

#include "kernels/byte_rows.h"
#include "kernels/scratch.h"

namespace onnxdc {

// The cut of the scratch memory, which serves kMaxVectors rows of x at a time.
struct DynamicWindowMatrix::Plan {
    Plan(const ByteWindows& windows, size_t m, void* memory) : scratch(memory) {
        const size_t vectors = std::min(m, ByteWindowKernels::kMaxVectors);
        // A window that starts in the last column ends after it.
        x_pitch = windows.columns() + ByteWindows::kWindow;
        sum_pitch = windows.blocks() * ByteWindows::kLanes;
        ranges = scratch.take<InputRange>(vectors);
        x = scratch.take<uint8_t>(vectors * x_pitch);
        sums = scratch.take<int32_t>(vectors * sum_pitch);
        outputs = scratch.take<float>(vectors * sum_pitch);
    }

    ScratchCut scratch;
    size_t x_pitch, sum_pitch;
    InputRange* ranges;  // [vectors]
    uint8_t* x;          // [vectors, x_pitch]
    int32_t* sums;       // [vectors, sum_pitch], in the order of lanes
    float* outputs;      // likewise
};

DynamicWindowMatrix::DynamicWindowMatrix(const IntegerRows& weight, const ByteWindowKernels& kernels,
                                         const ByteKernels& bytes, Isa isa)
    : windows_(weight),
      scale_(windows_.blocks() * ByteWindows::kLanes),
      sum_(scale_.size()),
      kernels_(kernels),
      bytes_(bytes),
      isa_(isa) {
    for (size_t lane = 0; lane < scale_.size(); ++lane) {
        const uint32_t row = windows_.row_of_lane()[lane];
        if (row == ByteWindows::kNoRow) continue;
        scale_[lane] = weight.scale[row];
        sum_[lane] = weight.sum[row];
    }
}

size_t DynamicWindowMatrix::scratch_nbytes(int64_t m, size_t) const {
    return Plan(windows_, static_cast<size_t>(m), nullptr).scratch.nbytes();
}

void DynamicWindowMatrix::run(const MatrixRun& run, void* scratch, Executor& executor) const {
    const Plan plan(windows_, static_cast<size_t>(run.m), scratch);
    const size_t m = static_cast<size_t>(run.m), tasks = executor.workers();
    for (size_t begin = 0; begin < m; begin += ByteWindowKernels::kMaxVectors) {
        const Range rows{begin, std::min(m, begin + ByteWindowKernels::kMaxVectors)};
        for (size_t row = rows.begin; row < rows.end; ++row) {
            const size_t v = row - rows.begin;
            plan.ranges[v] = round_row(bytes_, run, row, windows_.columns(), plan.x + v * plan.x_pitch);
        }
        executor.parallel_for(tasks, [&](size_t task) { run_blocks(run, plan, rows, blocks_of(task, tasks)); });
    }
}

// Blocks that have as many steps as those of any other task, nearly.
Range DynamicWindowMatrix::blocks_of(size_t task, size_t tasks) const {
    const std::vector<uint32_t>& first = windows_.first_pair();
    const auto cut = [&](size_t index) {
        if (index == tasks) return windows_.blocks();
        const auto at = std::lower_bound(first.begin(), first.end(), size_t{first.back()} * index / tasks);
        return static_cast<size_t>(at - first.begin());
    };
    return {cut(task), cut(task + 1)};
}

// Computes the outputs of some blocks for some rows of x.
void DynamicWindowMatrix::run_blocks(const MatrixRun& run, const Plan& plan, Range rows, Range blocks) const {
    const size_t vectors = rows.end - rows.begin, first_lane = blocks.begin * ByteWindows::kLanes,
                 last_lane = blocks.end * ByteWindows::kLanes;
    for (size_t block = blocks.begin; block < blocks.end; ++block) {
        kernels_.multiply[vectors](windows_.block(block), plan.x, plan.x_pitch, plan.sums + block * ByteWindows::kLanes,
                                   plan.sum_pitch);
    }
    const uint32_t* row_of_lane = windows_.row_of_lane();
    for (size_t v = 0; v < vectors; ++v) {
        const InputRange& range = plan.ranges[v];
        float* y = plan.outputs + v * plan.sum_pitch;
        const ptrdiff_t first = static_cast<int64_t>(rows.begin + v) * run.y_row_stride;
        for (size_t lane = first_lane; lane < last_lane; ++lane)
            y[lane] = run.bias && row_of_lane[lane] != ByteWindows::kNoRow ? run.bias[row_of_lane[lane]] : 0.0f;
        const ByteRows of_lanes{sum_.data() + first_lane, scale_.data() + first_lane, y + first_lane, run.alpha};
        kernels_.finish(plan.sums + v * plan.sum_pitch + first_lane, last_lane - first_lane, range.zero, range.scale,
                        of_lanes, y + first_lane);
        // The outputs of a block lie apart in y, so the epilogue comes before they go there.
        for (size_t lane = first_lane; run.epilogue.residual && lane < last_lane; ++lane) {
            if (row_of_lane[lane] != ByteWindows::kNoRow) y[lane] += run.epilogue.residual[first + row_of_lane[lane]];
        }
        finish_kernel(isa_)(run.epilogue, nullptr, y + first_lane, last_lane - first_lane);
        for (size_t lane = first_lane; lane < last_lane; ++lane) {
            if (row_of_lane[lane] != ByteWindows::kNoRow) run.y[first + row_of_lane[lane]] = y[lane];
        }
    }
}

IntegerRows DynamicWindowMatrix::to_rows() const {
    IntegerRows rows = windows_.to_rows();
    rows.scale.resize(rows.rows);
    rows.sum.resize(rows.rows);
    for (size_t lane = 0; lane < scale_.size(); ++lane) {
        const uint32_t row = windows_.row_of_lane()[lane];
        if (row == ByteWindows::kNoRow) continue;
        rows.scale[row] = scale_[lane];
        rows.sum[row] = sum_[lane];
    }
    return rows;
}

}  // namespace onnxdc
