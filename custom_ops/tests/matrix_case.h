// One matrix product in every instruction set that runs here, against a naive one in float64.
#pragma once

#include "check_layer.h"
#include "kernels/matrix.h"
#include "random_weight.h"

namespace onnxdc {

struct MatrixCase {
    int64_t m = 1, inputs = 50, outputs = 40;
    WeightSpec weight;
    bool weight_transposed = false, x_transposed = false, has_bias = true;
    int64_t special = 0;  // how many infinities and NaNs x has
    float alpha = 1.0f;
    int64_t expected_m = 0;                // what the layer is made for
    int64_t x_gap = 0, y_gap = 0;          // floats between the rows
    std::vector<size_t> workers{2, 3, 7};  // of executors that must not change a bit

    std::vector<int64_t> weight_shape() const {
        return weight_transposed ? std::vector<int64_t>{outputs, inputs} : std::vector<int64_t>{inputs, outputs};
    }
    Floats random_x(Random& random) const {
        const int64_t lines = x_transposed ? inputs : m, line = x_transposed ? m : inputs;
        Floats x(static_cast<size_t>(lines * line == 0 ? 0 : (lines - 1) * (line + x_gap) + line), random);
        x.spoil(random, special);
        return x;
    }
    MatrixRun run(const Floats& x, const Floats& bias) const {
        MatrixRun run;
        run.x = x.data.get();
        run.bias = has_bias ? bias.data.get() : nullptr;
        run.m = m;
        run.x_row_stride = x_transposed ? 1 : inputs + x_gap;
        run.x_column_stride = x_transposed ? m + x_gap : 1;
        run.y_row_stride = outputs + y_gap;
        run.alpha = alpha;
        return run;
    }
    void print() const {
        std::fprintf(
            stderr, "  m %d, inputs %d%s, outputs %d%s, alpha %g, bias %d, special %d, gaps %d %d, workers %zu\n",
            static_cast<int>(m), static_cast<int>(inputs), x_transposed ? " transposed" : "", static_cast<int>(outputs),
            weight_transposed ? " transposed" : "", static_cast<double>(alpha), has_bias, static_cast<int>(special),
            static_cast<int>(x_gap), static_cast<int>(y_gap), workers.front());
        weight.print();
    }
};

// The sums over the nonzeros only: [m, outputs].
inline std::vector<Expected> naive_product(const MatrixCase& c, const SparseWeight& weight, const MatrixRun& run) {
    std::vector<Expected> y(static_cast<size_t>(c.m * c.outputs));
    for (size_t i = 0; run.bias && i < y.size(); ++i) y[i].add(run.bias[i % static_cast<size_t>(c.outputs)]);
    for_each_nonzero(weight, [&](int64_t position, double w) {
        const int64_t row = position / weight.shape[1], column = position % weight.shape[1];
        const int64_t k = c.weight_transposed ? column : row, n = c.weight_transposed ? row : column;
        for (int64_t i = 0; i < c.m; ++i)
            y[static_cast<size_t>(i * c.outputs + n)].add(c.alpha * w *
                                                          run.x[i * run.x_row_stride + k * run.x_column_stride]);
    });
    return y;
}

inline size_t y_size(const MatrixRun& run, int64_t outputs) {
    return static_cast<size_t>(run.m == 0 ? 0 : (run.m - 1) * run.y_row_stride + outputs);
}

// The outputs, and what lies between their rows: canaries, as after them.
inline Floats run_once(const SparseMatrix& layer, MatrixRun run, Executor& executor, size_t canaries = 0) {
    Floats y(y_size(run, layer.outputs()) + canaries, kCanary);
    run.y = y.data.get();
    const ScratchMemory scratch(layer.scratch_nbytes(run.m, executor.workers()), canaries);
    layer.run(run, scratch.memory.get(), executor);
    CHECK(y.ends_with_canaries(canaries) && scratch.ends_with_canaries(canaries));
    return y;
}

// Compares the outputs before the canaries, and sees to it that nothing between the rows was touched.
inline Worst compare(const MatrixCase& c, const std::vector<Expected>& expected, const Floats& y) {
    Comparison comparison;
    const int64_t stride = c.outputs + c.y_gap;
    for (int64_t at = 0; at < static_cast<int64_t>(y.size - kCanaries); ++at) {
        const float actual = y[static_cast<size_t>(at)];
        if (at % stride < c.outputs) {
            comparison.add(expected[static_cast<size_t>(at / stride * c.outputs + at % stride)], actual);
        } else {
            CHECK(actual == kCanary);
        }
    }
    return comparison.worst();
}

// In every instruction set that it has kernels for; see check_layer.
inline bool check_case(const MatrixCase& c, uint32_t seed, Worst* worst = nullptr) {
    Random random(seed);
    const SparseWeight weight = random_weight(random, c.weight_shape(), c.weight);
    const Floats x = c.random_x(random), bias(static_cast<size_t>(c.outputs), random);
    const MatrixRun run = c.run(x, bias);
    const std::vector<Expected> expected = naive_product(c, weight, run);
    for (const Isa isa : isas_of_floats()) {
        const auto layer = SparseMatrix::create(weight, c.weight_transposed, isa, c.expected_m);
        const Isa wanted = weight.numel() == 0 ? Isa::kScalar : isa;
        const auto compared = [&](const Floats& y) { return compare(c, expected, y); };
        if (!check_layer(c, *layer, run, isa, wanted, seed, worst, compared)) return false;
    }
    return true;
}

}  // namespace onnxdc
