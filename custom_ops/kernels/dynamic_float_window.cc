#include "kernels/dynamic_float_window.h"

#include <algorithm>

#include "kernels/byte_rows.h"
#include "kernels/scratch.h"

namespace onnxdc {
namespace {

// Of the positive integers of a row, and of the negative ones: inputs are 0 to 255, and floats hold all integers up to
// 2^24 in magnitude.
constexpr int32_t kMostExactSum = (1 << 24) / 255;
constexpr size_t kOutputsAtOnce = 16;  // of FinishOutputs

// Each integer that there is has a code.
SparseRows float_rows(const IntegerRows& weight) {
    SparseRows rows;
    rows.rows = weight.rows;
    rows.columns = weight.columns;
    rows.start = weight.start;
    rows.column = weight.column;
    rows.code.reserve(weight.value.size());
    rows.values.push_back(0.0f);
    uint32_t codes[256] = {};  // by the integer as a byte; 0 if it has none so far
    for (const int8_t integer : weight.value) {
        uint32_t& code = codes[static_cast<uint8_t>(integer)];
        if (code == 0) {
            code = static_cast<uint32_t>(rows.values.size());
            rows.values.push_back(integer);
        }
        rows.code.push_back(code);
    }
    return rows;
}

}  // namespace

// The cut of the scratch memory.
struct DynamicFloatWindowMatrix::Plan {
    Plan(const DynamicFloatWindowMatrix& layer, size_t m, size_t worker_count, void* memory) : scratch(memory) {
        const auto columns = static_cast<size_t>(layer.inputs());
        ranges = scratch.take<InputRange>(m);
        bytes = scratch.take<uint8_t>(columns);
        x = scratch.take<float>(m * columns);
        numbers = scratch.take<float>(m * layer.scale_.size());
        sums = scratch.take<int32_t>(layer.scale_.size());
        outputs = scratch.take<float>(layer.scale_.size());
        windows = scratch.take<unsigned char>(layer.windows_.scratch_nbytes(static_cast<int64_t>(m), worker_count));
    }

    ScratchCut scratch;
    InputRange* ranges;  // [m]
    uint8_t* bytes;      // of a row
    float* x;            // [m, columns], the same as floats
    float* numbers;      // [m, scale_.size()], sums as floats
    int32_t* sums;       // of a row
    float* outputs;      // of a row
    void* windows;
};

DynamicFloatWindowMatrix::DynamicFloatWindowMatrix(const IntegerRows& weight, const WindowKernels& kernels,
                                                   const ByteKernels& bytes, Isa isa)
    : windows_(float_rows(weight), kernels),
      scale_(weight.scale),
      sum_(weight.sum),
      bytes_(bytes),
      finish_(finish_outputs(isa)),
      isa_(isa) {
    scale_.resize(divide_up(weight.rows, kOutputsAtOnce) * kOutputsAtOnce);
    sum_.resize(scale_.size());
}

bool DynamicFloatWindowMatrix::is_exact(const IntegerRows& weight) {
    for (size_t row = 0; row < weight.rows; ++row) {
        int32_t positive = 0, negative = 0;  // round_rows has made sure that 32 bits hold them
        for (uint32_t i = weight.start[row]; i < weight.start[row + 1]; ++i)
            (weight.value[i] > 0 ? positive : negative) += weight.value[i];
        if (positive > kMostExactSum || negative < -kMostExactSum) return false;
    }
    return true;
}

size_t DynamicFloatWindowMatrix::scratch_nbytes(int64_t m, size_t workers) const {
    return Plan(*this, static_cast<size_t>(m), workers, nullptr).scratch.nbytes();
}

void DynamicFloatWindowMatrix::run(const MatrixRun& run, void* scratch, Executor& executor) const {
    const auto m = static_cast<size_t>(run.m), columns = static_cast<size_t>(inputs()),
               rows = static_cast<size_t>(outputs());
    const Plan plan(*this, m, executor.workers(), scratch);
    for (size_t row = 0; row < m; ++row) {
        plan.ranges[row] = round_row(bytes_, run, row, columns, plan.bytes);
        std::copy_n(plan.bytes, columns, plan.x + row * columns);
    }
    const MatrixRun exact{plan.x, plan.numbers, nullptr, run.m, inputs(), 1, static_cast<int64_t>(scale_.size())};
    windows_.run(exact, plan.windows, executor);
    for (size_t row = 0; row < m; ++row) {
        const float* numbers = plan.numbers + row * scale_.size();
        for (size_t i = 0; i < rows; ++i) plan.sums[i] = static_cast<int32_t>(numbers[i]);
        std::fill(plan.sums + rows, plan.sums + scale_.size(), 0);
        std::fill(plan.outputs, plan.outputs + scale_.size(), 0.0f);
        if (run.bias) std::copy_n(run.bias, rows, plan.outputs);
        const ByteRows of_outputs{sum_.data(), scale_.data(), plan.outputs, run.alpha};
        finish_(plan.sums, scale_.size(), plan.ranges[row].zero, plan.ranges[row].scale, of_outputs, plan.outputs);
        const ptrdiff_t first = static_cast<int64_t>(row) * run.y_row_stride;
        std::copy_n(plan.outputs, rows, run.y + first);
        finish_kernel(isa_)(run.epilogue, run.epilogue.residual_at(first), run.y + first, rows);
    }
}

IntegerRows DynamicFloatWindowMatrix::to_rows() const {
    SparseRows floats = windows_.to_rows();
    IntegerRows rows;
    rows.rows = floats.rows;
    rows.columns = floats.columns;
    rows.start = std::move(floats.start);
    rows.column = std::move(floats.column);
    rows.value.reserve(floats.code.size());
    for (const uint32_t code : floats.code) rows.value.push_back(static_cast<int8_t>(floats.values[code]));
    rows.scale.assign(scale_.begin(), scale_.begin() + static_cast<ptrdiff_t>(rows.rows));
    rows.sum.assign(sum_.begin(), sum_.begin() + static_cast<ptrdiff_t>(rows.rows));
    return rows;
}

}  // namespace onnxdc
