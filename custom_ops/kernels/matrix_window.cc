#include "kernels/matrix_window.h"

#include <algorithm>
#include <cstring>

#include "kernels/scratch.h"

namespace onnxdc {
namespace {

// Copies a row of x times alpha. Answers whether all that it wrote is finite.
bool copy_row(const float* x, int64_t stride, size_t size, float alpha, float* to) {
    for (size_t i = 0; i < size; ++i) to[i] = alpha * x[static_cast<int64_t>(i) * stride];
    // A number with all bits of the exponent set is infinite or no number; adding one in the exponent's last place then
    // carries over.
    uint32_t carry = 0;
    for (size_t i = 0; i < size; ++i) {
        uint32_t bits;
        std::memcpy(&bits, to + i, sizeof bits);
        carry |= (bits & 0x7fffffffu) + 0x00800000u;
    }
    return carry < 0x80000000u;
}

}  // namespace

// The cut of the scratch memory, which serves kMaxVectors rows of x at a time.
struct WindowMatrix::Plan {
    Plan(const Windows& windows, size_t m, void* memory) : scratch(memory) {
        const size_t vectors = std::min(m, WindowKernels::kMaxVectors);
        // A window that starts in the last column ends after it.
        x_pitch = windows.columns() + windows.form().window();
        sum_pitch = windows.blocks() * windows.form().lanes;
        x = scratch.take<float>(vectors * x_pitch);
        sums = scratch.take<float>(vectors * sum_pitch);
    }

    ScratchCut scratch;
    size_t x_pitch, sum_pitch;
    float* x;
    float* sums;
};

size_t WindowMatrix::scratch_nbytes(int64_t m, size_t) const {
    return Plan(windows_, static_cast<size_t>(m), nullptr).scratch.nbytes();
}

void WindowMatrix::run(const MatrixRun& run, void* scratch, Executor& executor) const {
    const Plan plan(windows_, static_cast<size_t>(run.m), scratch);
    const size_t m = static_cast<size_t>(run.m), tasks = executor.workers();
    for (size_t begin = 0; begin < m; begin += WindowKernels::kMaxVectors) {
        const Range rows{begin, std::min(m, begin + WindowKernels::kMaxVectors)};
        bool finite = true;
        for (size_t row = rows.begin; row < rows.end; ++row) {
            float* to = plan.x + (row - rows.begin) * plan.x_pitch;
            finite &= copy_row(run.x + static_cast<int64_t>(row) * run.x_row_stride, run.x_column_stride,
                               windows_.columns(), run.alpha, to);
            std::fill_n(to + windows_.columns(), windows_.form().window(), 0.0f);
        }
        executor.parallel_for(
            tasks, [&](size_t task) { run_blocks(run, plan, rows, part_of(windows_.blocks(), tasks, task), finite); });
    }
}

// Computes the outputs of some blocks for some rows of x.
void WindowMatrix::run_blocks(const MatrixRun& run, const Plan& plan, Range rows, Range blocks, bool finite) const {
    const size_t vectors = rows.end - rows.begin, first_lane = blocks.begin * windows_.form().lanes,
                 last_lane = blocks.end * windows_.form().lanes;
    const uint32_t* row_of_lane = windows_.row_of_lane();
    for (size_t v = 0; v < vectors; ++v) {
        for (size_t lane = first_lane; lane < last_lane; ++lane) {
            plan.sums[v * plan.sum_pitch + lane] =
                run.bias && row_of_lane[lane] != Windows::kNoRow ? run.bias[row_of_lane[lane]] : 0.0f;
        }
    }
    for (size_t tile = 0; tile < windows_.tiles(); ++tile) {
        const float* x = plan.x + tile * windows_.tile_columns();
        if (finite) {
            const auto multiply = (windows_.coded() ? kernels_.coded : kernels_.floats)[vectors];
            multiply(windows_.tile(tile), blocks.begin, blocks.end, x, plan.x_pitch, plan.sums, plan.sum_pitch);
        } else {
            const auto multiply = windows_.coded() ? kernels_.masked_coded : kernels_.masked_floats;
            for (size_t v = 0; v < vectors; ++v) {
                multiply(windows_.tile(tile), blocks.begin, blocks.end, x + v * plan.x_pitch, 0,
                         plan.sums + v * plan.sum_pitch, 0);
            }
        }
    }
    for (size_t v = 0; v < vectors; ++v) {
        const ptrdiff_t first = static_cast<int64_t>(rows.begin + v) * run.y_row_stride;
        float* sums = plan.sums + v * plan.sum_pitch;
        // The outputs of a block lie apart in y, so the epilogue comes before they go there.
        for (size_t lane = first_lane; run.epilogue.residual && lane < last_lane; ++lane) {
            if (row_of_lane[lane] != Windows::kNoRow) sums[lane] += run.epilogue.residual[first + row_of_lane[lane]];
        }
        finish_kernel(isa())(run.epilogue, nullptr, sums + first_lane, last_lane - first_lane);
        for (size_t lane = first_lane; lane < last_lane; ++lane) {
            if (row_of_lane[lane] != Windows::kNoRow) run.y[first + row_of_lane[lane]] = sums[lane];
        }
    }
}

}  // namespace onnxdc
