// Sparse matrix products of every instruction set that runs here, against a naive one in float64.
#include <cstring>
#include <thread>

#include "check.h"
#include "kernels/matrix.h"
#include "random_weight.h"

using namespace onnxdc;

namespace {

struct Case {
    int64_t m = 1, inputs = 50, outputs = 40;
    WeightSpec weight;
    bool weight_transposed = false, x_transposed = false, has_bias = true, special = false;
    float alpha = 1.0f;
    int64_t expected_m = 0;
    int64_t gap = 0;  // floats between the rows of x and of y
};

Expected naive_output(const Case& c, const std::vector<double>& weight, const Floats& x, const MatrixRun& run,
                      int64_t i, int64_t n) {
    Expected expected;
    for (int64_t k = 0; k < c.inputs; ++k) {
        const double w = weight[static_cast<size_t>(c.weight_transposed ? n * c.inputs + k : k * c.outputs + n)];
        if (w != 0.0)
            expected.add(c.alpha * w * x[static_cast<size_t>(i * run.x_row_stride + k * run.x_column_stride)]);
    }
    if (run.bias) expected.add(run.bias[n]);
    return expected;
}

Floats run_once(const SparseMatrix& layer, MatrixRun run, Executor& executor) {
    const int64_t size = run.m == 0 ? 0 : (run.m - 1) * run.y_row_stride + layer.outputs();
    Floats y(static_cast<size_t>(size), -77.0f);
    run.y = y.data.get();
    const ScratchMemory scratch(layer.scratch_nbytes(run.m, executor.workers()));
    layer.run(run, scratch.memory.get(), executor);
    return y;
}

bool check_case(const Case& c, uint32_t seed) {
    Random random(seed);
    const SparseWeight weight = random_weight(
        random,
        c.weight_transposed ? std::vector<int64_t>{c.outputs, c.inputs} : std::vector<int64_t>{c.inputs, c.outputs},
        c.weight);
    const int64_t lines = c.x_transposed ? c.inputs : c.m, line = c.x_transposed ? c.m : c.inputs;
    Floats x(static_cast<size_t>(lines * line == 0 ? 0 : (lines - 1) * (line + c.gap) + line), random);
    if (c.special && x.size > 0) {
        x[x.size / 2] = std::numeric_limits<float>::infinity();
        x[x.size / 3] = std::numeric_limits<float>::quiet_NaN();
    }
    const Floats bias(static_cast<size_t>(c.outputs), random);
    MatrixRun run{x.data.get(),      nullptr, c.has_bias ? bias.data.get() : nullptr, c.m, line + c.gap, 1,
                  c.outputs + c.gap, c.alpha};
    if (c.x_transposed) std::swap(run.x_row_stride, run.x_column_stride);
    const std::vector<double> values = dense(weight);
    const int failures = check::failures;
    for (const Isa isa : supported_isas()) {
        const auto layer = SparseMatrix::create(weight, c.weight_transposed, isa, c.expected_m);
        CHECK(layer->inputs() == c.inputs && layer->outputs() == c.outputs && layer->isa() == isa);
        SerialExecutor serial;
        const Floats y = run_once(*layer, run, serial);
        for (size_t at = 0; at < y.size; ++at) {
            const auto i = static_cast<int64_t>(at) / run.y_row_stride, n = static_cast<int64_t>(at) % run.y_row_stride;
            // What lies between the rows must not be touched.
            if (n < c.outputs ? naive_output(c, values, x, run, i, n).matches(y[at]) : y[at] == -77.0f) continue;
            CHECK(!"an output differs");
            std::fprintf(stderr, "  %s, seed %u, output [%d, %d] is %g\n", isa_name(isa), seed, static_cast<int>(i),
                         static_cast<int>(n), static_cast<double>(y[at]));
            return false;
        }
        for (const size_t workers : {2, 3, 7}) {
            BackwardExecutor backward(workers);
            const Floats again = run_once(*layer, run, backward);
            CHECK(y.size == 0 || std::memcmp(again.data.get(), y.data.get(), y.size * sizeof(float)) == 0);
        }
    }
    return failures == check::failures;
}

void test_batches_and_sizes_around_vectors() {
    for (const int64_t m : {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 64, 130}) {
        for (const int64_t outputs : {1, 15, 16, 17, 70}) {
            for (const int64_t inputs : {1, 31, 32, 33, 65}) {
                Case c;
                c.m = m;
                c.outputs = outputs;
                c.inputs = inputs;
                c.weight_transposed = inputs % 2;
                CHECK(check_case(c, static_cast<uint32_t>(m)));
            }
        }
    }
}

// What was expected decides about the layout, not about the result.
void test_other_batches_than_expected() {
    for (const int64_t m : {1, 2, 12, 13, 40}) {
        for (const int64_t expected_m : {1, 12, 13, 1000}) {
            for (const int64_t codes : {32, 256}) {
                Case c;
                c.m = m;
                c.expected_m = expected_m;
                c.weight.codes = codes;
                CHECK(check_case(c, static_cast<uint32_t>(expected_m)));
            }
        }
    }
}

// The first runs of many rows come together, and all find the layout that they need.
void test_first_runs_on_several_threads() {
    constexpr int64_t kRows = 20;
    Random random(5);
    const SparseWeight weight = random_weight(random, {90, 70}, {});
    const Floats x(kRows * 70, random);
    const MatrixRun run{x.data.get(), nullptr, nullptr, kRows, 70, 1, 90};
    for (const Isa isa : supported_isas()) {
        const auto layer = SparseMatrix::create(weight, true, isa), other = SparseMatrix::create(weight, true, isa);
        SerialExecutor serial;
        const Floats expected = run_once(*other, run, serial);
        std::vector<std::thread> threads;
        bool right[4] = {};
        for (bool& result : right) {
            threads.emplace_back([&] {
                SerialExecutor executor;
                const Floats y = run_once(*layer, run, executor);
                result = std::memcmp(y.data.get(), expected.data.get(), y.size * sizeof(float)) == 0;
            });
        }
        for (std::thread& thread : threads) thread.join();
        for (const bool result : right) CHECK(result);
    }
}

void test_densities_and_codebooks() {
    for (const double density : {0.0, 0.01, 0.1, 0.5, 1.0}) {
        for (const int64_t codes : {2, 31, 32, 33, 64, 65, 255, 256}) {
            for (const int64_t m : {1, 3, 6, 20}) {
                Case c;
                c.m = m;
                c.inputs = 200;
                c.weight = {density, codes};
                CHECK(check_case(c, static_cast<uint32_t>(codes)));
            }
        }
    }
    for (uint32_t seed = 0; seed < 20; ++seed) {
        Case c;
        c.m = seed;
        c.weight.lone = true;
        CHECK(check_case(c, seed));
    }
}

void test_many_tiles() {
    for (const int64_t m : {1, 2, 18}) {
        for (const int64_t codes : {32, 256}) {
            Case c;
            c.m = m;
            c.inputs = 11000;
            c.outputs = 37;
            c.weight = {0.03, codes};
            c.weight_transposed = true;
            CHECK(check_case(c, 9));
        }
    }
}

void test_codebook_groups_along_each_axis() {
    for (const int64_t axis : {0, 1}) {
        for (const bool transposed : {false, true}) {
            Case c;
            c.m = 5;
            c.inputs = 60;
            c.outputs = 30;
            c.weight = {0.4, 16, 6, axis};
            c.weight_transposed = transposed;
            CHECK(check_case(c, 3));
        }
    }
}

void test_infinities_meet_nonzeros_only() {
    for (const int64_t m : {1, 2, 5, 12}) {
        for (const int64_t codes : {32, 256}) {
            for (const double density : {0.05, 0.5}) {
                Case c;
                c.m = m;
                c.special = true;
                c.weight = {density, codes};
                CHECK(check_case(c, 4));
            }
        }
    }
}

// An infinity in an input that no nonzero meets leaves every output finite.
void test_infinity_of_a_pruned_input_is_not_seen() {
    SparseWeight weight;
    weight.shape = {40, 33};  // outputs, inputs
    weight.codes_per_group = 2;
    weight.codebook = {0.0f, 2.0f};
    for (uint32_t output = 0; output < 40; output += 3) {
        weight.position.push_back(output * 33 + 1 + output % 32);
        weight.code.push_back(1);
    }
    Floats x(33 * 9, 1.0f);
    for (size_t row = 0; row < 9; ++row) x[row * 33] = std::numeric_limits<float>::infinity();
    for (const Isa isa : supported_isas()) {
        const auto layer = SparseMatrix::create(weight, true, isa);
        for (const int64_t m : {1, 2, 9}) {
            SerialExecutor serial;
            const Floats y = run_once(*layer, {x.data.get(), nullptr, nullptr, m, 33, 1, 40}, serial);
            for (size_t i = 0; i < y.size; ++i) CHECK(y[i] == (i % 40 % 3 == 0 ? 2.0f : 0.0f));
        }
    }
}

void test_random_cases() {
    for (uint32_t seed = 0; seed < 400; ++seed) {
        Random random(seed);
        const auto any = [&](int64_t low, int64_t high) {
            return std::uniform_int_distribution<int64_t>(low, high)(random);
        };
        Case c;
        c.m = any(0, 1) ? any(1, 8) : any(1, 80);
        c.inputs = any(1, 700);
        c.outputs = any(1, 150);
        c.weight_transposed = any(0, 1);
        c.x_transposed = any(0, 1);
        c.has_bias = any(0, 1);
        c.alpha = any(0, 1) ? 1.0f : random_float(random);
        c.gap = any(0, 1) ? 0 : any(1, 9);
        c.expected_m = any(0, 1) ? 0 : any(1, 80);
        c.special = any(0, 9) == 0;
        c.weight.density = std::pow(10.0, -2.0 * std::uniform_real_distribution<double>()(random));
        c.weight.codes = any(0, 1) ? any(2, 32) : any(2, 256);
        CHECK(check_case(c, seed));
    }
}

}  // namespace

int main() {
    test_batches_and_sizes_around_vectors();
    test_other_batches_than_expected();
    test_first_runs_on_several_threads();
    test_densities_and_codebooks();
    test_many_tiles();
    test_codebook_groups_along_each_axis();
    test_infinities_meet_nonzeros_only();
    test_infinity_of_a_pruned_input_is_not_seen();
    test_random_cases();
    return check::finish();
}
