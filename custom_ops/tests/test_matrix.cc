// Sparse matrix products of every instruction set that runs here, against a naive one in float64.
#include <thread>

#include "matrix_case.h"

using namespace onnxdc;

namespace {

void test_batches_and_sizes_around_vectors() {
    for (const int64_t m : {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 64, 130}) {
        for (const int64_t outputs : {1, 15, 16, 17, 70}) {
            for (const int64_t inputs : {1, 31, 32, 33, 65}) {
                MatrixCase c;
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
                MatrixCase c;
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
    MatrixCase c;
    c.m = 20;
    Random random(5);
    const SparseWeight weight = random_weight(random, c.weight_shape(), c.weight);
    const Floats x = c.random_x(random), bias(static_cast<size_t>(c.outputs), random);
    const MatrixRun run = c.run(x, bias);
    for (const Isa isa : isas_of_floats()) {
        const auto layer = SparseMatrix::create(weight, c.weight_transposed, isa),
                   other = SparseMatrix::create(weight, c.weight_transposed, isa);
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
                MatrixCase c;
                c.m = m;
                c.inputs = 200;
                c.weight = {density, codes};
                CHECK(check_case(c, static_cast<uint32_t>(codes)));
            }
        }
    }
    for (uint32_t seed = 0; seed < 20; ++seed) {
        MatrixCase c;
        c.m = seed;
        c.weight.lone = true;
        CHECK(check_case(c, seed));
    }
}

void test_many_tiles() {
    for (const int64_t m : {1, 2, 18}) {
        for (const int64_t codes : {32, 256}) {
            MatrixCase c;
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
            MatrixCase c;
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
                MatrixCase c;
                c.m = m;
                c.special = 3;
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
    weight.codes_per_group = 1;
    weight.codebook = {2.0f};
    for (uint32_t output = 0; output < 40; output += 3) {
        weight.position.push_back(output * 33 + 1 + output % 32);
        weight.code.push_back(0);
    }
    Floats x(33 * 9, 1.0f);
    for (size_t row = 0; row < 9; ++row) x[row * 33] = std::numeric_limits<float>::infinity();
    for (const Isa isa : isas_of_floats()) {
        const auto layer = SparseMatrix::create(weight, true, isa);
        for (const int64_t m : {1, 2, 9}) {
            SerialExecutor serial;
            const Floats y = run_once(*layer, {x.data.get(), nullptr, nullptr, m, 33, 1, 40}, serial);
            for (size_t i = 0; i < y.size; ++i) CHECK(y[i] == (i % 40 % 3 == 0 ? 2.0f : 0.0f));
        }
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
    return check::finish();
}
