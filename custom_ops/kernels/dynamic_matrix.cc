#include "kernels/dynamic_matrix.h"

#include <algorithm>
#include <utility>

#include "kernels/byte_rows.h"

namespace onnxdc {

// All that follows from the number of rows of x, and the cut of the scratch memory.
struct DynamicMatrix::Plan {
    Plan(const DynamicMatrix& layer, size_t m, void* memory, size_t worker_count)
        : scratch(memory), blocks(layer.quads_, m) {
        ranges = scratch.take<InputRange>(m);
        bytes = scratch.take<uint8_t>(m * layer.tiles_.columns());
        workers = scratch.take<ByteWorker>(worker_count);
        for (size_t i = 0; i < worker_count; ++i) {
            const ByteWorker worker(layer.quads_, layer.tiles_.columns(), &scratch);
            if (memory) workers[i] = worker;
        }
    }

    ScratchCut scratch;
    const ByteBlocks blocks;
    InputRange* ranges;  // [m]
    uint8_t* bytes;      // [m, columns]
    ByteWorker* workers;
};

DynamicMatrix::DynamicMatrix(IntegerRows weight, const QuadKernels& quads, const ByteKernels& bytes,
                             const PanelKernels& floats, Isa isa)
    : tiles_(weight, 0, weight.rows),
      scale_(std::move(weight.scale)),
      sum_(std::move(weight.sum)),
      quads_(quads),
      bytes_(bytes),
      floats_(floats),
      isa_(isa) {}

size_t DynamicMatrix::scratch_nbytes(int64_t m, size_t workers) const {
    return m == 0 ? 0 : Plan(*this, static_cast<size_t>(m), nullptr, workers).scratch.nbytes();
}

void DynamicMatrix::run(const MatrixRun& run, void* scratch, Executor& executor) const {
    if (run.m == 0) return;
    const auto m = static_cast<size_t>(run.m);
    const size_t tasks = executor.workers(), bands = tiles_.bands();
    const Plan plan(*this, m, scratch, tasks);
    executor.parallel_for(tasks, [&](size_t task) {
        const Range part = part_of(m, tasks, task);
        for (size_t row = part.begin; row < part.end; ++row)
            plan.ranges[row] = round_row(bytes_, run, row, tiles_.columns(), plan.bytes + row * tiles_.columns());
    });
    executor.parallel_for(tasks, [&](size_t task) {
        // A unit is one band of one block; the bands of a block that fall to one worker share its panel.
        const Range part = part_of(plan.blocks.count() * bands, tasks, task);
        for (size_t unit = part.begin; unit < part.end;) {
            const size_t first_band = unit % bands, last_band = std::min(bands, first_band + part.end - unit);
            run_block(run, plan, unit / bands, {first_band, last_band}, plan.workers[task]);
            unit += last_band - first_band;
        }
    });
}

// Computes some bands of the outputs for the rows of one block.
void DynamicMatrix::run_block(const MatrixRun& run, const Plan& plan, size_t block, Range bands,
                              const ByteWorker& worker) const {
    const BytePanelKernels& kernels = plan.blocks.kernels(block);
    const Range rows = plan.blocks.positions(block);
    const size_t count = rows.end - rows.begin, columns = tiles_.columns();
    // Lanes without a row keep what they had, which no output is made of.
    if (count < kernels.lanes) std::fill_n(worker.panel, columns * kernels.lanes, uint8_t{0});
    quads_.transpose(plan.bytes + rows.begin * columns, columns, count, columns, worker.panel, kernels.lanes);
    for (size_t lane = 0; lane < count; ++lane) worker.set_lane(lane, plan.ranges[rows.begin + lane]);
    worker.clear_lanes(count, kernels.lanes);
    const ByteRows of_rows{sum_.data(), scale_.data(), run.bias, run.alpha};
    const Finish finish = finish_kernel(isa_);
    for (size_t band = bands.begin; band < bands.end; ++band) {
        multiply_band(tiles_, band, kernels, worker, of_rows);
        const size_t first = tiles_.first_row_of_band(band), outputs = tiles_.first_row_of_band(band + 1) - first;
        if (!run.epilogue.residual) finish(run.epilogue, nullptr, worker.outputs, outputs * kernels.lanes);
        float* y = run.y + static_cast<int64_t>(rows.begin) * run.y_row_stride + static_cast<int64_t>(first);
        floats_.transpose(worker.outputs, kernels.lanes, outputs, count, y, static_cast<size_t>(run.y_row_stride));
        // A residual lies as y does, across the outputs.
        for (size_t row = 0; run.epilogue.residual && row < count; ++row, y += run.y_row_stride)
            finish(run.epilogue, run.epilogue.residual + (y - run.y), y, outputs);
    }
}

}  // namespace onnxdc
