// One layer on integers in every instruction set that runs here, against a naive one whose sums are in int64.
#pragma once

#include "convolution_case.h"
#include "kernels/dynamic.h"
#include "kernels/dynamic_lane_convolution.h"
#include "matrix_case.h"

namespace onnxdc {

// The inputs of a row or an image less their zero point, and their scale: NaN if not all are finite.
struct NaiveInputs {
    explicit NaiveInputs(const std::vector<float>& x) {
        float low = 0.0f, high = 0.0f;
        bool finite = true;
        for (const float value : x) {
            finite = finite && std::isfinite(value);
            low = value < low ? value : low;
            high = value > high ? value : high;
        }
        scale = std::max(high / 255.0f - low / 255.0f, 0x1p-100f);
        const volatile float inverse = 1.0f / scale;  // so that no compiler multiplies and adds in one
        const float zero = std::nearbyint(-low * inverse);
        for (const float value : x) {
            const volatile float product = value * inverse;
            const float byte = std::nearbyint(product) + zero;
            integers.push_back(finite ? static_cast<int64_t>(std::min(std::max(byte, 0.0f), 255.0f) - zero) : 0);
        }
        if (!finite) scale = std::numeric_limits<float>::quiet_NaN();
    }

    std::vector<int64_t> integers;
    float scale;
};

// The integers of a weight and a scale for each output. `row_of` says which output the element at a position is of.
struct NaiveWeight {
    template <class RowOf>
    NaiveWeight(const SparseWeight& weight, int64_t outputs, const RowOf& row_of)
        : scales(static_cast<size_t>(outputs), 0.0f), finite(true) {
        std::vector<float> steps(static_cast<size_t>(outputs), -1.0f);  // of the elements so far; 0 if they differ
        const GroupOfPosition group_of(weight.shape, weight.groups, weight.group_axis);
        for (int64_t position = 0; position < weight.numel() && !weight.steps.empty(); ++position) {
            float& step = steps[row_of(position)];
            const float own = weight.steps[group_of(static_cast<uint32_t>(position))];
            step = step < 0.0f || step == own ? own : 0.0f;
        }
        for_each_nonzero(weight, [&](int64_t position, double value) {
            float& scale = scales[row_of(position)];
            scale = std::max(scale, std::abs(static_cast<float>(value)));
            finite = finite && std::isfinite(value);
        });
        for (size_t row = 0; row < scales.size(); ++row)
            scales[row] = steps[row] > 0.0f ? steps[row] : std::max(scales[row] / 127.0f, 0x1p-100f);
    }
    int64_t integer(double value, size_t row) const {
        return static_cast<int64_t>(std::nearbyint(static_cast<float>(value) / scales[row]));
    }

    std::vector<float> scales;
    bool finite;
};

// A sum with its scale, and a bias if there is one.
struct NaiveSum {
    int64_t sum = 0;
    float scale = 0.0f, bias = 0.0f;

    // To the last bit without a bias, as the integers are; with one an output is rounded once or twice.
    bool allows(float actual, bool has_bias) const {
        const float product = static_cast<float>(sum) * scale;
        if (std::isnan(product)) return std::isnan(actual);
        if (!has_bias) return actual == product;
        return std::abs(actual - (product + bias)) <= 1e-6f * (std::abs(product) + std::abs(bias)) + 1e-37f;
    }
};

// Turns the values of a weight into multiples of a step for each group. Rows of several groups may then have several.
inline void put_on_grid(Random& random, SparseWeight* weight) {
    const auto codes = static_cast<size_t>(weight->codes_per_group);
    std::vector<float> integers(codes);
    for (float& integer : integers) integer = static_cast<float>(static_cast<int>(random() % 255) - 127);
    for (int64_t group = 0; group < weight->groups; ++group) {
        weight->steps.push_back(static_cast<float>(8 + random() % 8) *
                                std::ldexp(1.0f, -static_cast<int>(random() % 9)));
        for (size_t c = 0; c < codes; ++c)
            weight->codebook[static_cast<size_t>(group) * codes + c] = integers[c] * weight->steps.back();
    }
}

inline std::vector<NaiveSum> naive_dynamic(const MatrixCase& c, const SparseWeight& weight, const NaiveWeight& rounded,
                                           const MatrixRun& run) {
    std::vector<NaiveInputs> rows;
    for (int64_t i = 0; i < c.m; ++i) {
        std::vector<float> row;
        for (int64_t k = 0; k < c.inputs; ++k) row.push_back(run.x[i * run.x_row_stride + k * run.x_column_stride]);
        rows.emplace_back(row);
    }
    std::vector<NaiveSum> y(static_cast<size_t>(c.m * c.outputs));
    for (size_t i = 0; i < y.size(); ++i) {
        const size_t row = i / static_cast<size_t>(c.outputs), output = i % static_cast<size_t>(c.outputs);
        y[i].scale = rows[row].scale * (c.alpha * rounded.scales[output]);
        y[i].bias = run.bias ? run.bias[output] : 0.0f;
    }
    for_each_nonzero(weight, [&](int64_t position, double w) {
        const int64_t first = position / weight.shape[1], second = position % weight.shape[1];
        const int64_t k = c.weight_transposed ? second : first, n = c.weight_transposed ? first : second;
        for (int64_t i = 0; i < c.m; ++i)
            y[static_cast<size_t>(i * c.outputs + n)].sum +=
                rounded.integer(w, static_cast<size_t>(n)) *
                rows[static_cast<size_t>(i)].integers[static_cast<size_t>(k)];
    });
    return y;
}

inline std::vector<NaiveSum> naive_dynamic(const ConvolutionCase& c, const SparseWeight& weight,
                                           const NaiveWeight& rounded, const ConvolutionRun& run) {
    const int64_t image_size = c.inputs * product(c.in_size), pixels = product(run.out_size);
    std::vector<NaiveInputs> images;
    for (int64_t image = 0; image < c.batch; ++image)
        images.emplace_back(std::vector<float>(run.x + image * image_size, run.x + (image + 1) * image_size));
    std::vector<NaiveSum> y(static_cast<size_t>(c.batch * c.outputs * pixels));
    for (size_t i = 0; i < y.size(); ++i) {
        const size_t plane = i / static_cast<size_t>(pixels), output = plane % static_cast<size_t>(c.outputs);
        y[i].scale = images[plane / static_cast<size_t>(c.outputs)].scale * rounded.scales[output];
        y[i].bias = run.bias ? run.bias[output] : 0.0f;
    }
    const int64_t taps = product(c.kernel), group_inputs = c.inputs / c.params.groups;
    for_each_nonzero(weight, [&](int64_t position, double w) {
        const int64_t output = position / taps / group_inputs, input = position / taps % group_inputs,
                      t = position % taps;
        const Spatial tap{t / (c.kernel[1] * c.kernel[2]), t / c.kernel[2] % c.kernel[1], t % c.kernel[2]};
        const int64_t channel = output / (c.outputs / c.params.groups) * group_inputs + input;
        const int64_t integer = rounded.integer(w, static_cast<size_t>(output));
        for (int64_t image = 0; image < c.batch; ++image) {
            NaiveSum* sums = y.data() + (image * c.outputs + output) * pixels;
            for (int64_t pixel = 0; pixel < pixels; ++pixel) {
                const Spatial at{pixel / (run.out_size[1] * run.out_size[2]), pixel / run.out_size[2] % run.out_size[1],
                                 pixel % run.out_size[2]};
                const int64_t place = input_place(c, channel, at, tap);
                if (place >= 0)
                    sums[pixel].sum +=
                        integer * images[static_cast<size_t>(image)].integers[static_cast<size_t>(place)];
            }
        }
    });
    return y;
}

// Runs a layer as check_layer does; y[at(i)] is what should be expected[i].
template <class Case, class Layer, class Run, class At>
bool check_sums(const Case& c, const Layer& layer, const Run& run, const std::vector<NaiveSum>& expected, Isa isa,
                uint32_t seed, const At& at) {
    const int failures = check::failures;
    CHECK(layer.inputs() == c.inputs && layer.outputs() == c.outputs);
    SerialExecutor serial;
    const Floats y = run_once(layer, run, serial, kCanaries);
    for (size_t i = 0; i < expected.size() && failures == check::failures; ++i)
        CHECK(expected[i].allows(y[at(i)], c.has_bias));
    for (size_t i = 0; i < c.workers.size() && failures == check::failures; ++i) {
        BackwardExecutor backward(c.workers[i]);
        const Floats again = run_once(layer, run, backward);
        CHECK(same_bits(y, again, again.size));
    }
    if (failures == check::failures) return true;
    std::fprintf(stderr, "  %s, seed %u, on integers\n", isa_name(isa), seed);
    c.print();
    return false;
}

inline bool check_dynamic(const MatrixCase& c, uint32_t seed) {
    Random random(seed);
    SparseWeight weight = random_weight(random, c.weight_shape(), c.weight);
    if (seed % 3 == 0) put_on_grid(random, &weight);
    const Floats x = c.random_x(random), bias(static_cast<size_t>(c.outputs), random);
    const MatrixRun run = c.run(x, bias);
    const NaiveWeight rounded(weight, c.outputs, [&](int64_t position) {
        return static_cast<size_t>(c.weight_transposed ? position / weight.shape[1] : position % weight.shape[1]);
    });
    const std::vector<NaiveSum> expected =
        rounded.finite ? naive_dynamic(c, weight, rounded, run) : std::vector<NaiveSum>();
    for (const Isa isa : supported_isas()) {
        const char* problem = nullptr;
        const auto layer = create_dynamic_matrix(weight, c.weight_transposed, isa, c.expected_m, &problem);
        CHECK((problem == nullptr) == rounded.finite && (layer != nullptr) == rounded.finite);
        if (!layer) continue;
        const auto at = [&](size_t i) {
            const auto outputs = static_cast<size_t>(c.outputs);
            return i / outputs * static_cast<size_t>(run.y_row_stride) + i % outputs;
        };
        if (!check_sums(c, *layer, run, expected, isa, seed, at)) return false;
    }
    return true;
}

// On window lanes, if they run here, where another layout may be faster, too.
inline bool check_lanes(const ConvolutionCase& c, const SparseWeight& weight, const ConvolutionRun& run,
                        const std::vector<NaiveSum>& expected, uint32_t seed) {
    const Isa isa = supported_isas().front();
    const LaneKernels* lanes = lane_kernels(isa);
    IntegerRows rows;
    if (!lanes || weight.numel() == 0 || round_rows(rows_of(weight), &rows)) return true;
    const DynamicLaneConvolution layer(rows, c.kernel, c.params, *lanes, *byte_kernels(isa), isa);
    return check_sums(c, layer, run, expected, isa, seed, [](size_t i) { return i; });
}

inline bool check_dynamic(const ConvolutionCase& c, uint32_t seed) {
    Random random(seed);
    SparseWeight weight = random_weight(random, c.weight_shape(), c.weight);
    if (seed % 3 == 0) put_on_grid(random, &weight);
    Floats x(static_cast<size_t>(c.batch * c.inputs * product(c.in_size)), random);
    x.spoil(random, c.special);
    const Floats bias(static_cast<size_t>(c.outputs), random);
    const ConvolutionRun run = c.run(x, bias);
    const int64_t row_length = c.inputs / c.params.groups * product(c.kernel);
    const NaiveWeight rounded(weight, c.outputs,
                              [&](int64_t position) { return static_cast<size_t>(position / row_length); });
    const std::vector<NaiveSum> expected =
        rounded.finite ? naive_dynamic(c, weight, rounded, run) : std::vector<NaiveSum>();
    for (const Isa isa : supported_isas()) {
        const char* problem = nullptr;
        const auto layer = create_dynamic_convolution(weight, c.params, isa, &problem);
        CHECK((problem == nullptr) == rounded.finite && (layer != nullptr) == rounded.finite);
        if (layer && !check_sums(c, *layer, run, expected, isa, seed, [](size_t i) { return i; })) return false;
    }
    return check_lanes(c, weight, run, expected, seed);
}

}  // namespace onnxdc
