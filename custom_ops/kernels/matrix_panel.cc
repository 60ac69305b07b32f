#include "kernels/matrix_panel.h"

#include <algorithm>

#include "kernels/lane_blocks.h"
#include "kernels/scratch.h"

namespace onnxdc {
// The arrays of one worker.
struct PanelMatrix::Worker {
    float* panel;  // [tile_columns, rows of a block]
    float* sums;   // [outputs, rows of a block]
};

// All that follows from the number of rows of x, and the cut of the scratch memory.
struct PanelMatrix::Plan {
    Plan(const PanelMatrix& layer, size_t m, void* memory, size_t worker_count)
        : scratch(memory),
          kernels(best_fit(layer.kernels_, m)),
          blocks(m, panel_vectors(kernels, layer.tiles_.tile_columns()), kernels.lanes) {
        const size_t max_rows = divide_up(blocks.vectors, blocks.count) * kernels.lanes;
        panel_floats = layer.tiles_.tile_columns() * max_rows;
        workers = scratch.take<Worker>(worker_count);
        for (size_t i = 0; i < worker_count; ++i) {
            const Worker worker{scratch.take<float>(panel_floats), scratch.take<float>(layer.tiles_.rows() * max_rows)};
            if (memory) workers[i] = worker;
        }
    }

    ScratchCut scratch;
    const PanelKernels& kernels;
    const LaneBlocks blocks;
    size_t panel_floats;
    Worker* workers;
};

size_t PanelMatrix::vectors(int64_t expected_rows) {
    constexpr size_t kLanes = 16, kMost = 4;
    return expected_rows == 0 ? kMost : std::min(divide_up(static_cast<size_t>(expected_rows), kLanes), kMost);
}

size_t PanelMatrix::scratch_nbytes(int64_t m, size_t workers) const {
    return m == 0 ? 0 : Plan(*this, static_cast<size_t>(m), nullptr, workers).scratch.nbytes();
}

void PanelMatrix::run(const MatrixRun& run, void* scratch, Executor& executor) const {
    if (run.m == 0) return;
    const size_t tasks = executor.workers();
    const Plan plan(*this, static_cast<size_t>(run.m), scratch, tasks);
    const size_t bands = tiles_.bands();
    executor.parallel_for(tasks, [&](size_t task) {
        // A unit is one band of one block; the bands of a block that fall to one worker share its panels.
        const Range part = part_of(plan.blocks.count * bands, tasks, task);
        if (part.begin == part.end) return;
        // Lanes without a row of x must not hold numbers that are slow to compute with.
        std::fill_n(plan.workers[task].panel, plan.panel_floats, 0.0f);
        for (size_t unit = part.begin; unit < part.end;) {
            const size_t first_band = unit % bands, last_band = std::min(bands, first_band + part.end - unit);
            run_block(run, plan, plan.blocks[unit / bands], {first_band, last_band}, plan.workers[task]);
            unit += last_band - first_band;
        }
    });
}

// Computes some bands of the outputs for the rows of one block.
void PanelMatrix::run_block(const MatrixRun& run, const Plan& plan, Range rows, Range bands,
                            const Worker& worker) const {
    const size_t lanes = plan.kernels.lanes, vectors = divide_up(rows.end - rows.begin, lanes), pitch = vectors * lanes;
    const size_t first_output = tiles_.first_row_of_band(bands.begin),
                 last_output = tiles_.first_row_of_band(bands.end);
    float* sums = worker.sums + first_output * pitch;
    for (size_t output = first_output; output < last_output; ++output) {
        std::fill_n(worker.sums + output * pitch, pitch, run.bias ? run.bias[output] : 0.0f);
    }
    for (size_t tile = 0; tile < tiles_.tiles(); ++tile) {
        const size_t first_column = tile * tiles_.tile_columns();
        const size_t columns = std::min(tiles_.tile_columns(), tiles_.columns() - first_column);
        load_panel(run, rows, first_column, columns, worker.panel, pitch);
        for (size_t band = bands.begin; band < bands.end; ++band)
            plan.kernels.multiply[vectors](tiles_.block(tile, band), worker.panel,
                                           worker.sums + tiles_.first_row_of_band(band) * pitch);
    }
    const Finish finish = finish_kernel(isa());
    if (!run.epilogue.residual) finish(run.epilogue, nullptr, sums, (last_output - first_output) * pitch);
    float* y = run.y + static_cast<int64_t>(rows.begin) * run.y_row_stride + static_cast<int64_t>(first_output);
    kernels_.transpose(sums, pitch, last_output - first_output, rows.end - rows.begin, y,
                       static_cast<size_t>(run.y_row_stride));
    // A residual lies as y does, across the sums.
    for (size_t row = rows.begin; run.epilogue.residual && row < rows.end; ++row, y += run.y_row_stride)
        finish(run.epilogue, run.epilogue.residual + (y - run.y), y, last_output - first_output);
}

// Transposes the rows and columns of x, times alpha, into the panel.
void PanelMatrix::load_panel(const MatrixRun& run, Range rows, size_t first_column, size_t columns, float* panel,
                             size_t pitch) const {
    const float* x = run.x + static_cast<int64_t>(rows.begin) * run.x_row_stride +
                     static_cast<int64_t>(first_column) * run.x_column_stride;
    const size_t row_count = rows.end - rows.begin;
    if (run.x_column_stride == 1) {
        kernels_.transpose(x, static_cast<size_t>(run.x_row_stride), row_count, columns, panel, pitch);
    } else {
        for (size_t column = 0; column < columns; ++column) {
            const float* from = x + static_cast<int64_t>(column) * run.x_column_stride;
            for (size_t row = 0; row < row_count; ++row)
                panel[column * pitch + row] = from[static_cast<int64_t>(row) * run.x_row_stride];
        }
    }
    if (run.alpha == 1.0f) return;
    for (size_t i = 0; i < columns * pitch; ++i) panel[i] *= run.alpha;
}

}  // namespace onnxdc
