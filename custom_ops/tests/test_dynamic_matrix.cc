// Matrix products on integers where the cuts of their layouts are: vectors, windows, tiles, bands, groups of rows.
#include "dynamic_case.h"
#include "kernels/dynamic_lane_matrix.h"

using namespace onnxdc;

namespace {

MatrixCase sized(int64_t m, int64_t inputs, int64_t outputs, double density) {
    MatrixCase c;
    c.m = m;
    c.inputs = inputs;
    c.outputs = outputs;
    c.weight.density = density;
    c.weight_transposed = true;
    c.workers = {3};
    return c;
}

// Sixteen rows of x are multiplied at a time, fewer at the end.
void test_rests_of_rows() {
    for (int64_t m = 1; m <= 34; ++m) CHECK(check_dynamic(sized(m, 100, 70, 0.3), static_cast<uint32_t>(m)));
    for (const int64_t m : {127, 128, 129, 145, 300}) CHECK(check_dynamic(sized(m, 40, 66, 0.3), 1));
}

// The last window of a row reaches beyond it, and rows of x lie at a pitch of whole cache lines.
void test_windows_at_the_end_of_a_row() {
    for (const int64_t inputs : {1, 2, 31, 32, 33, 63, 64, 65, 95, 96, 97, 127, 128, 129}) {
        for (const int64_t m : {1, 3, 9, 17}) {
            for (const double density : {0.1, 1.0}) {
                MatrixCase c = sized(m, inputs, 20, density);
                c.x_gap = inputs % 3;
                CHECK(check_dynamic(c, static_cast<uint32_t>(inputs)));
            }
        }
    }
}

// Columns are cut into tiles of 1536 at most, and sums are kept between them.
void test_borders_of_tiles() {
    for (const int64_t inputs : {1535, 1536, 1537, 1600, 3071, 3072, 3073, 5000}) {
        for (const int64_t m : {1, 4, 19}) CHECK(check_dynamic(sized(m, inputs, 70, 0.05), static_cast<uint32_t>(m)));
    }
    // Nonzeros on both sides of a border only.
    MatrixCase c = sized(5, 3072, 3, 0.0);
    c.weight.lone = true;
    for (uint32_t seed = 0; seed < 5; ++seed) CHECK(check_dynamic(c, seed));
}

// Rows of outputs are sorted within bands of 64, and chunks of bands follow each other.
void test_bands() {
    for (const int64_t outputs : {1, 15, 16, 17, 63, 64, 65, 128, 129, 1030}) {
        for (const int64_t m : {1, 6, 20}) {
            MatrixCase c = sized(m, 90, outputs, 0.2);
            c.weight.uneven = true;
            c.y_gap = outputs % 2;
            CHECK(check_dynamic(c, static_cast<uint32_t>(outputs)));
        }
    }
    MatrixCase c = sized(40, 1700, 1100, 0.02);
    c.workers = {1, 2, 5, 40};
    CHECK(check_dynamic(c, 1));
}

void test_infinities_spoil_their_rows() {
    for (const int64_t m : {1, 5, 33}) {
        MatrixCase c = sized(m, 150, 70, 0.2);
        c.special = 3;
        CHECK(check_dynamic(c, static_cast<uint32_t>(m)));
    }
}

// A run with an epilogue gives the bits of one without, finished as a whole.
void test_epilogues() {
    MatrixCase c = sized(21, 90, 75, 0.2);
    c.y_gap = 2;
    Random random(4);
    const SparseWeight weight = random_weight(random, c.weight_shape(), c.weight);
    const Floats x = c.random_x(random), bias(static_cast<size_t>(c.outputs), random);
    MatrixRun run = c.run(x, bias);
    const Floats residual(y_size(run, c.outputs), random);
    for (const Isa isa : supported_isas()) {
        const char* problem = nullptr;
        const auto layer = create_dynamic_matrix(weight, true, isa, run.m, &problem);
        for (const Activation activation : {Activation::none, Activation::relu, Activation::gelu}) {
            for (const bool added : {false, true}) {
                BackwardExecutor executor(3);
                run.epilogue = {};
                const Floats plain = run_once(*layer, run, executor);
                run.epilogue.activation = activation;
                if (added) run.epilogue.residual = residual.data.get();
                const Floats finished = run_once(*layer, run, executor);
                for (size_t i = 0; i < plain.size; ++i) {
                    float expected = plain[i];
                    const bool between = i % static_cast<size_t>(run.y_row_stride) >= static_cast<size_t>(c.outputs);
                    if (!between)
                        finish_kernel(isa)(run.epilogue, run.epilogue.residual_at(static_cast<ptrdiff_t>(i)), &expected,
                                           1);
                    CHECK(std::memcmp(&expected, &finished.data[i], sizeof expected) == 0);
                }
            }
        }
    }
}

// A row of x or two takes longer on window lanes than on the layouts for so few, whatever the density.
void test_few_rows_do_not_meet_window_lanes() {
    for (const double density : {0.1, 0.45, 0.55, 0.65, 1.0}) {
        MatrixCase c = sized(1, 200, 192, density);
        Random random(1);
        const SparseWeight weight = random_weight(random, c.weight_shape(), c.weight);
        for (const int64_t expected_rows : {0, 1, 2}) {
            const char* problem = nullptr;
            const auto layer = create_dynamic_matrix(weight, true, supported_isas().front(), expected_rows, &problem);
            CHECK(!dynamic_cast<const DynamicLaneMatrix*>(layer.get()));
        }
    }
}

// Up to 2^24 floats hold all integers: beyond, a sum of 255 times 127 that is odd would be another one in them.
void test_sums_that_floats_hold_and_beyond() {
    for (uint32_t count = 510; count < 526; ++count) {
        for (const float sign : {1.0f, -1.0f}) {
            SparseWeight weight;
            weight.shape = {2, 2000};
            weight.codes_per_group = 2;
            weight.codebook = {sign * 0.5f, 0.125f};
            for (uint32_t i = 0; i < count; ++i) weight.position.push_back(3 * i);
            weight.position.push_back(2000);
            weight.code.assign(count, 0);
            weight.code.push_back(1);
            std::vector<float> x(2000, 1.0f);
            x[1] = -0.5f;  // which no nonzero meets: 85 stands for 0, 255 for 1, and 24 bits hold the outputs
            MatrixRun run;
            run.x = x.data();
            run.m = 1;
            run.x_row_stride = 2000;
            run.y_row_stride = 2;
            const auto output_of = [&](Isa isa) {
                const char* problem = nullptr;
                const auto layer = create_dynamic_matrix(weight, true, isa, 0, &problem);
                SerialExecutor executor;
                return run_once(*layer, run, executor)[0];
            };
            for (const Isa isa : supported_isas()) CHECK(output_of(isa) == output_of(Isa::kScalar));
        }
    }
}

}  // namespace

int main() {
    test_rests_of_rows();
    test_windows_at_the_end_of_a_row();
    test_borders_of_tiles();
    test_bands();
    test_infinities_spoil_their_rows();
    test_epilogues();
    test_few_rows_do_not_meet_window_lanes();
    test_sums_that_floats_hold_and_beyond();
    return check::finish();
}
