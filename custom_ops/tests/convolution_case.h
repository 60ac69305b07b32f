// One convolution in every instruction set that runs here, against a naive one in float64.
#pragma once

#include "check_layer.h"
#include "kernels/convolution.h"
#include "random_weight.h"

namespace onnxdc {

// Sizes have as many spatial axes as `rank`, the others are 1.
struct ConvolutionCase {
    int rank = 2;
    int64_t batch = 1, inputs = 8, outputs = 8;
    Spatial in_size{1, 9, 9}, kernel{1, 3, 3}, pads{0, 1, 1}, end_pads{0, 1, 1};
    ConvolutionParams params;
    WeightSpec weight;
    bool has_bias = true;
    int64_t special = 0;                   // how many infinities and NaNs x has
    std::vector<size_t> workers{2, 3, 7};  // of executors that must not change a bit

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
    ConvolutionRun run(const Floats& x, const Floats& bias) const {
        ConvolutionRun run;
        run.x = x.data.get();
        run.bias = has_bias ? bias.data.get() : nullptr;
        run.batch = batch;
        run.in_size = in_size;
        run.out_size = out_size();
        run.pads = pads;
        return run;
    }
    void print() const {
        const auto print_spatial = [](const char* name, const Spatial& s) {
            std::fprintf(stderr, ", %s %d %d %d", name, static_cast<int>(s[0]), static_cast<int>(s[1]),
                         static_cast<int>(s[2]));
        };
        std::fprintf(stderr, "  rank %d, batch %d, inputs %d, outputs %d, groups %d", rank, static_cast<int>(batch),
                     static_cast<int>(inputs), static_cast<int>(outputs), static_cast<int>(params.groups));
        print_spatial("in", in_size);
        print_spatial("kernel", kernel);
        print_spatial("pads", pads);
        print_spatial("end pads", end_pads);
        print_spatial("strides", params.strides);
        print_spatial("dilations", params.dilations);
        std::fprintf(stderr, "\n");
        weight.print();
        std::fprintf(stderr, "  bias %d, special %d, workers %zu\n", has_bias, static_cast<int>(special),
                     workers.front());
    }
};

// The place in x that a tap of the kernel meets, or -1 in the padding.
inline int64_t input_place(const ConvolutionCase& c, int64_t plane, const Spatial& at, const Spatial& tap) {
    for (size_t d = 0; d < 3; ++d) {
        const int64_t coordinate = at[d] * c.params.strides[d] + tap[d] * c.params.dilations[d] - c.pads[d];
        if (coordinate < 0 || coordinate >= c.in_size[d]) return -1;
        plane = plane * c.in_size[d] + coordinate;
    }
    return plane;
}

// The sums over the nonzeros only: [batch, outputs, out_size...].
inline std::vector<Expected> naive_convolution(const ConvolutionCase& c, const SparseWeight& weight,
                                               const ConvolutionRun& run) {
    const int64_t pixels = product(run.out_size), taps = product(c.kernel), group_inputs = c.inputs / c.params.groups;
    std::vector<Expected> y(static_cast<size_t>(c.batch * c.outputs * pixels));
    for (size_t i = 0; run.bias && i < y.size(); ++i) y[i].add(run.bias[static_cast<int64_t>(i) / pixels % c.outputs]);
    for_each_nonzero(weight, [&](int64_t position, double w) {
        const int64_t output = position / taps / group_inputs, input = position / taps % group_inputs,
                      t = position % taps;
        const Spatial tap{t / (c.kernel[1] * c.kernel[2]), t / c.kernel[2] % c.kernel[1], t % c.kernel[2]};
        const int64_t channel = output / (c.outputs / c.params.groups) * group_inputs + input;
        for (int64_t image = 0; image < c.batch; ++image) {
            Expected* sum = y.data() + (image * c.outputs + output) * pixels;
            for (int64_t pixel = 0; pixel < pixels; ++pixel) {
                const Spatial at{pixel / (run.out_size[1] * run.out_size[2]), pixel / run.out_size[2] % run.out_size[1],
                                 pixel % run.out_size[2]};
                const int64_t place = input_place(c, image * c.inputs + channel, at, tap);
                if (place >= 0) sum[pixel].add(w * run.x[place]);
            }
        }
    });
    return y;
}

// The outputs, and canaries after them.
inline Floats run_once(const SparseConvolution& layer, ConvolutionRun run, Executor& executor, size_t canaries = 0) {
    Floats y(static_cast<size_t>(run.batch * layer.outputs() * product(run.out_size)) + canaries, kCanary);
    run.y = y.data.get();
    const ScratchMemory scratch(layer.scratch_nbytes(run, executor.workers()), canaries);
    layer.run(run, scratch.memory.get(), executor);
    CHECK(y.ends_with_canaries(canaries) && scratch.ends_with_canaries(canaries));
    return y;
}

// In every instruction set that it has kernels for; see check_layer.
inline bool check_case(const ConvolutionCase& c, uint32_t seed, Worst* worst = nullptr) {
    Random random(seed);
    const SparseWeight weight = random_weight(random, c.weight_shape(), c.weight);
    Floats x(static_cast<size_t>(c.batch * c.inputs * product(c.in_size)), random);
    x.spoil(random, c.special);
    const Floats bias(static_cast<size_t>(c.outputs), random);
    const ConvolutionRun run = c.run(x, bias);
    const std::vector<Expected> expected = naive_convolution(c, weight, run);
    for (const Isa isa : isas_of_floats()) {
        const auto layer = SparseConvolution::create(weight, c.params, isa);
        const Isa wanted = weight.numel() == 0 || !is_finite(weight) ? Isa::kScalar : isa;
        const auto compare = [&](const Floats& y) {
            Comparison comparison;
            for (size_t i = 0; i < expected.size(); ++i) comparison.add(expected[i], y[i]);
            return comparison.worst();
        };
        if (!check_layer(c, *layer, run, isa, wanted, seed, worst, compare)) return false;
    }
    return true;
}

}  // namespace onnxdc
