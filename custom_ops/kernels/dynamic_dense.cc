#include "kernels/dynamic_dense.h"

#include <algorithm>

#include "kernels/byte_rows.h"
#include "kernels/scratch.h"

namespace onnxdc {
namespace {

constexpr size_t kInputs = DenseKernels::kMaxInputs, kBlockRows = DenseIntegers::kBlockRows;
// So many rows of x meet a block at a time, before the next block: their bytes stay in a second cache.
constexpr size_t kRowsAtOnce = 16 * kInputs;

}  // namespace

struct DynamicDenseMatrix::Worker {
    int32_t* sums;   // [kInputs, kBlockRows]
    float* outputs;  // [kBlockRows]
};

// All that follows from the number of rows of x, and the cut of the scratch memory.
struct DynamicDenseMatrix::Plan {
    Plan(const DynamicDenseMatrix& layer, size_t m, void* memory, size_t worker_count)
        : scratch(memory), pitch(layer.weights_.fours() * DenseIntegers::kColumns) {
        ranges = scratch.take<InputRange>(m);
        bytes = scratch.take<uint8_t>(m * pitch);
        workers = scratch.take<Worker>(worker_count);
        for (size_t i = 0; i < worker_count; ++i) {
            const Worker worker{scratch.take<int32_t>(kInputs * kBlockRows), scratch.take<float>(kBlockRows)};
            if (memory) workers[i] = worker;
        }
    }

    ScratchCut scratch;
    size_t pitch;
    InputRange* ranges;  // [m]
    uint8_t* bytes;      // [m, pitch]; what lies after the columns meets weights of 0
    Worker* workers;
};

DynamicDenseMatrix::DynamicDenseMatrix(const IntegerRows& weight, const DenseKernels& kernels, const ByteKernels& bytes,
                                       Isa isa)
    : weights_(weight, 0, weight.rows),
      scale_(weight.scale),
      sum_(weight.sum),
      kernels_(kernels),
      bytes_(bytes),
      isa_(isa) {
    for (size_t four = 0; four < weights_.fours(); ++four)
        offsets_.push_back(static_cast<uint32_t>(four * DenseIntegers::kColumns));
    scale_.resize(weights_.blocks() * kBlockRows);
    sum_.resize(weights_.blocks() * kBlockRows);
}

size_t DynamicDenseMatrix::scratch_nbytes(int64_t m, size_t workers) const {
    return Plan(*this, static_cast<size_t>(m), nullptr, workers).scratch.nbytes();
}

void DynamicDenseMatrix::run(const MatrixRun& run, void* scratch, Executor& executor) const {
    const auto m = static_cast<size_t>(run.m);
    const size_t tasks = executor.workers(), blocks = weights_.blocks(), parts = divide_up(m, kRowsAtOnce);
    const Plan plan(*this, m, scratch, tasks);
    executor.parallel_for(tasks, [&](size_t task) {
        const Range part = part_of(m, tasks, task);
        for (size_t row = part.begin; row < part.end; ++row)
            plan.ranges[row] = round_row(bytes_, run, row, weights_.columns(), plan.bytes + row * plan.pitch);
    });
    executor.parallel_for(tasks, [&](size_t task) {
        // A unit is one block of outputs for some rows of x.
        const Range part = part_of(parts * blocks, tasks, task);
        for (size_t unit = part.begin; unit < part.end; ++unit)
            run_block(run, plan, unit % blocks, part_of(m, parts, unit / blocks), plan.workers[task]);
    });
}

void DynamicDenseMatrix::run_block(const MatrixRun& run, const Plan& plan, size_t block, Range rows,
                                   const Worker& worker) const {
    const size_t first = block * kBlockRows, outputs = std::min(weights_.rows() - first, kBlockRows);
    const ByteRows of_outputs{sum_.data() + first, scale_.data() + first, worker.outputs, run.alpha};
    const Finish finish = finish_kernel(isa_);
    const size_t parts = divide_up(rows.end - rows.begin, kInputs);
    for (size_t part = 0; part < parts; ++part) {
        const Range own = part_of(rows.end - rows.begin, parts, part);
        const size_t begin = rows.begin + own.begin, count = own.end - own.begin;
        kernels_.multiply[count](weights_.block(block), offsets_.data(), weights_.fours(),
                                 plan.bytes + begin * plan.pitch, plan.pitch, worker.sums);
        for (size_t i = 0; i < count; ++i) {
            std::fill_n(worker.outputs, kBlockRows, 0.0f);
            if (run.bias) std::copy_n(run.bias + first, outputs, worker.outputs);
            const InputRange& range = plan.ranges[begin + i];
            kernels_.finish(worker.sums + i * kBlockRows, kBlockRows, range.zero, range.scale, of_outputs,
                            worker.outputs);
            float* y = run.y + static_cast<int64_t>(begin + i) * run.y_row_stride + static_cast<int64_t>(first);
            std::copy_n(worker.outputs, outputs, y);
            finish(run.epilogue, run.epilogue.residual_at(y - run.y), y, outputs);
        }
    }
}

}  // namespace onnxdc
