// Sparse convolutions of every instruction set that runs here, against a naive one in float64.
#include <cstring>

#include "check.h"
#include "kernels/convolution.h"
#include "random_weight.h"

using namespace onnxdc;

namespace {

int64_t product(const Spatial& size) { return size[0] * size[1] * size[2]; }

// One convolution: sizes have as many spatial axes as `rank`, the others are 1.
struct Case {
    int rank = 2;
    int64_t batch = 1, inputs = 8, outputs = 8;
    Spatial in_size{1, 9, 9}, kernel{1, 3, 3}, pads{0, 1, 1}, end_pads{0, 1, 1};
    ConvolutionParams params;
    WeightSpec weight;

    std::vector<int64_t> weight_shape() const {
        std::vector<int64_t> shape{outputs, inputs / params.groups};
        for (int d = 3 - rank; d < 3; ++d) shape.push_back(kernel[static_cast<size_t>(d)]);
        return shape;
    }
    Spatial out_size() const {
        Spatial size;
        for (size_t d = 0; d < 3; ++d) {
            const int64_t room = in_size[d] + pads[d] + end_pads[d] - (kernel[d] - 1) * params.dilations[d] - 1;
            size[d] = room < 0 ? 0 : room / params.strides[d] + 1;
        }
        return size;
    }
};

// The sum of one output, over the nonzeros only.
Expected naive_output(const Case& c, const std::vector<double>& weight, const Floats& x, const Floats& bias,
                      int64_t image, int64_t output, const Spatial& at) {
    Expected expected;
    expected.add(bias[static_cast<size_t>(output)]);
    const int64_t group_inputs = c.inputs / c.params.groups, taps = product(c.kernel);
    const int64_t first_input = output / (c.outputs / c.params.groups) * group_inputs;
    for (int64_t i = 0; i < group_inputs * taps; ++i) {
        const double w = weight[static_cast<size_t>(output * group_inputs * taps + i)];
        const int64_t tap = i % taps;
        const Spatial k{tap / (c.kernel[1] * c.kernel[2]), tap / c.kernel[2] % c.kernel[1], tap % c.kernel[2]};
        int64_t place = image * c.inputs + first_input + i / taps;
        bool inside = true;
        for (size_t d = 0; d < 3; ++d) {
            const int64_t coordinate = at[d] * c.params.strides[d] + k[d] * c.params.dilations[d] - c.pads[d];
            inside = inside && coordinate >= 0 && coordinate < c.in_size[d];
            place = place * c.in_size[d] + coordinate;
        }
        if (w != 0.0 && inside) expected.add(w * x[static_cast<size_t>(place)]);
    }
    return expected;
}

Floats run_once(const SparseConvolution& layer, ConvolutionRun run, Executor& executor) {
    Floats y(static_cast<size_t>(run.batch * layer.outputs() * product(run.out_size)),
             std::numeric_limits<float>::quiet_NaN());
    run.y = y.data.get();
    const ScratchMemory scratch(layer.scratch_nbytes(run, executor.workers()));
    layer.run(run, scratch.memory.get(), executor);
    return y;
}

bool check_case(const Case& c, uint32_t seed, bool special = false) {
    Random random(seed);
    const SparseWeight weight = random_weight(random, c.weight_shape(), c.weight);
    Floats x(static_cast<size_t>(c.batch * c.inputs * product(c.in_size)), random);
    const Floats bias(static_cast<size_t>(c.outputs), random);
    if (special) {
        x[x.size / 2] = std::numeric_limits<float>::infinity();
        x[x.size / 3] = std::numeric_limits<float>::quiet_NaN();
    }
    const Spatial out_size = c.out_size();
    const ConvolutionRun run{x.data.get(), nullptr, bias.data.get(), c.batch, c.in_size, out_size, c.pads};
    const std::vector<double> values = dense(weight);
    const int failures = check::failures;
    for (const Isa isa : supported_isas()) {
        const auto layer = SparseConvolution::create(weight, c.params, isa);
        CHECK(layer->inputs() == c.inputs && layer->outputs() == c.outputs && layer->isa() == isa);
        SerialExecutor serial;
        const Floats y = run_once(*layer, run, serial);
        size_t i = 0;
        for (int64_t image = 0; image < c.batch; ++image) {
            for (int64_t output = 0; output < c.outputs; ++output) {
                for (int64_t pixel = 0; pixel < product(out_size); ++pixel, ++i) {
                    const Spatial at{pixel / (out_size[1] * out_size[2]), pixel / out_size[2] % out_size[1],
                                     pixel % out_size[2]};
                    if (!naive_output(c, values, x, bias, image, output, at).matches(y[i])) {
                        CHECK(!"an output differs");
                        std::fprintf(stderr, "  %s, seed %u, output %zu is %g\n", isa_name(isa), seed, i,
                                     static_cast<double>(y[i]));
                        return false;
                    }
                }
            }
        }
        for (const size_t workers : {2, 3, 7}) {
            BackwardExecutor backward(workers);
            const Floats again = run_once(*layer, run, backward);
            CHECK(y.size == 0 || std::memcmp(again.data.get(), y.data.get(), y.size * sizeof(float)) == 0);
        }
    }
    return failures == check::failures;
}

void test_output_sizes_around_vectors() {
    for (int64_t size : {1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 15, 16, 17, 23}) {
        Case c;
        c.in_size = {1, size, size};
        CHECK(check_case(c, static_cast<uint32_t>(size)));
        c.batch = 3;
        c.pads = c.end_pads = {0, 0, 0};
        c.kernel = {1, 1, 1};
        CHECK(check_case(c, static_cast<uint32_t>(size)));
    }
}

void test_densities_and_codebooks() {
    for (const double density : {0.0, 0.01, 0.1, 0.5, 1.0}) {
        for (const int64_t codes : {2, 31, 32, 33, 64, 65, 255, 256}) {
            Case c;
            c.weight = {density, codes};
            CHECK(check_case(c, static_cast<uint32_t>(codes)));
        }
    }
    Case c;
    c.weight.lone = true;
    for (uint32_t seed = 0; seed < 10; ++seed) CHECK(check_case(c, seed));
}

void test_many_tiles_and_bands() {
    for (const double density : {0.02, 0.3, 0.9}) {
        Case c;
        c.inputs = 96;
        c.outputs = 150;
        c.in_size = {1, 5, 6};
        c.weight = {density, 256};
        CHECK(check_case(c, 1));
    }
}

void test_more_values_than_a_code_tells_apart() {
    Case c;
    c.inputs = 4;
    c.outputs = 512;
    c.in_size = {1, 3, 3};
    c.weight = {0.5, 256, 512, 0};
    CHECK(check_case(c, 1));
}

void test_codebook_groups_along_each_axis() {
    for (const int64_t axis : {0, 1, 2, 3}) {
        Case c;
        c.outputs = 12;
        c.inputs = 6;
        c.weight = {0.4, 16, 3, axis};
        CHECK(check_case(c, 3));
    }
}

void test_groups_and_depthwise() {
    for (const int64_t groups : {2, 4, 8}) {
        for (const int64_t multiplier : {1, 2, 3}) {
            for (const int64_t stride : {1, 2}) {
                Case c;
                c.batch = 2;
                c.outputs = 8 * multiplier;
                c.params.groups = groups;
                c.params.strides = {1, stride, stride};
                CHECK(check_case(c, static_cast<uint32_t>(groups)));
            }
        }
    }
}

void test_batches() {
    for (const int64_t batch : {0, 1, 2, 3, 4, 5, 16, 17}) {
        for (const int64_t size : {4, 7, 40}) {
            Case c;
            c.batch = batch;
            c.inputs = c.outputs = 4;
            c.in_size = {1, size, size};
            CHECK(check_case(c, static_cast<uint32_t>(batch)));
        }
    }
}

void test_empty_outputs() {
    Case c;
    c.in_size = {1, 2, 9};
    c.pads = c.end_pads = {0, 0, 0};
    CHECK(c.out_size()[1] == 0);
    CHECK(check_case(c, 1));
}

void test_infinities_meet_nonzeros_only() {
    for (const double density : {0.02, 0.3, 1.0}) {
        Case c;
        c.weight.density = density;
        CHECK(check_case(c, 5, true));
        c.params.strides = {1, 2, 2};
        CHECK(check_case(c, 6, true));
    }
}

// Any combination of rank, strides, dilations, pads, kernel, groups, density.
void test_random_cases() {
    for (uint32_t seed = 0; seed < 400; ++seed) {
        Random random(seed);
        const auto any = [&](int64_t low, int64_t high) {
            return std::uniform_int_distribution<int64_t>(low, high)(random);
        };
        Case c;
        c.rank = static_cast<int>(any(1, 3));
        c.batch = any(1, 3);
        c.params.groups = any(0, 2) ? 1 : any(1, 4);
        c.inputs = c.params.groups * any(1, 9);
        c.outputs = c.params.groups * any(1, 20);
        for (size_t d = 0; d < 3; ++d) {
            const bool used = d >= static_cast<size_t>(3 - c.rank);
            c.in_size[d] = used ? any(1, c.rank == 1 ? 200 : c.rank == 2 ? 20 : 8) : 1;
            c.kernel[d] = used ? any(1, 5) : 1;
            c.params.strides[d] = used ? any(1, 4) : 1;
            c.params.dilations[d] = used ? any(1, 3) : 1;
            c.pads[d] = used ? any(0, 4) : 0;
            c.end_pads[d] = used ? any(0, 4) : 0;
        }
        c.weight.density = std::pow(10.0, -2.0 * std::uniform_real_distribution<double>()(random));
        c.weight.codes = any(2, 256);
        CHECK(check_case(c, seed));
    }
}

}  // namespace

int main() {
    test_output_sizes_around_vectors();
    test_densities_and_codebooks();
    test_many_tiles_and_bands();
    test_more_values_than_a_code_tells_apart();
    test_codebook_groups_along_each_axis();
    test_groups_and_depthwise();
    test_batches();
    test_empty_outputs();
    test_infinities_meet_nonzeros_only();
    test_random_cases();
    return check::finish();
}
