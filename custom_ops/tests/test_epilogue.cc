// The epilogues of every instruction set that runs here, alone and after the kernels, against float64.
#include <cstring>

#include "check.h"
#include "kernels/convolution.h"
#include "kernels/matrix.h"
#include "random_weight.h"
#include "simd/epilogue.h"

using namespace onnxdc;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

const Epilogue kEpilogues[] = {
    {Activation::none},
    {Activation::relu},
    {Activation::clip, -0.5f, 0.75f},
    {Activation::clip, 0.0f, 6.0f},
    {Activation::clip, 2.0f, 1.0f},
    {Activation::clip, -std::numeric_limits<float>::max(), 1.0f},
    {Activation::leaky_relu, 0.01f},
    {Activation::leaky_relu, -2.0f},
    {Activation::silu},
    {Activation::hard_swish},
    {Activation::gelu},
    {Activation::gelu_tanh},
};

// The activation by its textbook formula, in the form that loses no digits below zero.
double naive(const Epilogue& epilogue, double x) {
    if (std::isnan(x)) return x;
    switch (epilogue.activation) {
        case Activation::none: return x;
        case Activation::relu: return std::max(x, 0.0);
        case Activation::clip: return std::min(std::max(x, double{epilogue.a}), double{epilogue.b});
        case Activation::leaky_relu: return x < 0.0 ? epilogue.a * x : x;
        case Activation::silu: return x / (1.0 + std::exp(-x));
        case Activation::hard_swish: return x * std::min(std::max(x + 3.0, 0.0), 6.0) / 6.0;
        case Activation::gelu: return x * (0.5 * std::erfc(-x / std::sqrt(2.0)));
        case Activation::gelu_tanh:
            // (1 + tanh(u)) / 2 = 1 / (1 + e^-2u)
            return x / (1.0 + std::exp(-2.0 * std::sqrt(2.0 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
    }
    return kNaN;
}

// Within 4.5e-7 of float64 (the largest error that these tests meet is 3.8e-7), or a quantum of the numbers below the
// smallest normal one.
bool is_close(float actual, double expected) {
    if (std::isnan(expected)) return std::isnan(actual);
    if (std::abs(expected) > std::numeric_limits<float>::max()) return actual == static_cast<float>(expected);
    return std::abs(actual - expected) <=
           4.5e-7 * std::abs(expected) + double{std::numeric_limits<float>::denorm_min()};
}

// A float of each sign and exponent with some mantissas, and closely those where the activations bend.
std::vector<float> whole_range() {
    std::vector<float> values{0.0f, -0.0f, kInfinity, -kInfinity, kNaN, std::numeric_limits<float>::max()};
    for (uint32_t bits = 0; bits < 0x7f800000u; bits += 0x00011357u) {
        for (const uint32_t sign : {0u, 0x80000000u}) {
            const uint32_t signed_bits = bits | sign;
            float value;
            std::memcpy(&value, &signed_bits, sizeof value);
            values.push_back(value);
        }
    }
    for (int i = -60000; i <= 60000; ++i) values.push_back(static_cast<float>(i) / 500.0f);
    for (int i = -60000; i <= 60000; ++i) values.push_back(static_cast<float>(i) / 10007.0f);
    return values;
}

void test_activations_over_the_whole_float_range() {
    const std::vector<float> values = whole_range();
    for (const Isa isa : supported_isas()) {
        for (const Epilogue& epilogue : kEpilogues) {
            std::vector<float> y = values;
            finish_kernel(isa)(epilogue, nullptr, y.data(), y.size());
            for (size_t i = 0; i < y.size(); ++i) {
                const double expected = naive(epilogue, values[i]);
                if (!is_close(y[i], expected)) {
                    CHECK(!"an activation differs");
                    std::fprintf(stderr, "  %s, activation %d of %.9g is %.9g, expected %.9g\n", isa_name(isa),
                                 static_cast<int>(epilogue.activation), double{values[i]}, double{y[i]}, expected);
                    break;
                }
            }
        }
    }
}

// Whatever the length, with a residual and without, an output has the bits that it has alone; nothing else is touched.
void test_pieces_of_any_length() {
    Random random(1);
    for (const Isa isa : supported_isas()) {
        for (const Epilogue& epilogue : kEpilogues) {
            for (size_t count = 0; count < 70; ++count) {
                const Floats x(count, random), residual(count, random);
                for (const bool has_residual : {false, true}) {
                    Floats y(count);
                    std::memcpy(y.data.get(), x.data.get(), count * sizeof(float));
                    finish_kernel(isa)(epilogue, has_residual ? residual.data.get() : nullptr, y.data.get(), count);
                    for (size_t i = 0; i < count; ++i) {
                        float alone = has_residual ? x[i] + residual[i] : x[i];
                        CHECK(is_close(y[i], naive(epilogue, alone)));
                        finish_kernel(isa)(epilogue, nullptr, &alone, 1);
                        CHECK(std::memcmp(&alone, &y.data[i], sizeof alone) == 0);
                    }
                }
            }
        }
    }
}

// A run with an epilogue gives the bits of one without, finished as a whole.
template <class Layer, class Run>
void check_run(const Layer& layer, Run run, Isa isa, size_t size, size_t scratch_nbytes, const Epilogue& epilogue) {
    Floats plain(size, -77.0f), finished(size, -77.0f);
    BackwardExecutor executor(3);
    const ScratchMemory scratch(scratch_nbytes);
    run.y = plain.data.get();
    layer.run(run, scratch.memory.get(), executor);
    for (size_t i = 0; i < size; ++i) {
        const float* residual = epilogue.residual ? epilogue.residual + i : nullptr;
        // What lies between the rows must not be touched.
        if (plain[i] != -77.0f) finish_kernel(isa)(epilogue, residual, &plain[i], 1);
    }
    run.y = finished.data.get();
    run.epilogue = epilogue;
    layer.run(run, scratch.memory.get(), executor);
    for (size_t i = 0; i < size; ++i) CHECK(std::memcmp(&plain[i], &finished[i], sizeof(float)) == 0);
}

void test_matrices() {
    Random random(2);
    constexpr int64_t kInputs = 60, kGap = 3;
    for (const int64_t outputs : {1, 37, 130}) {
        const SparseWeight weight = random_weight(random, {outputs, kInputs}, {0.2});
        const Floats bias(static_cast<size_t>(outputs), random);
        for (const int64_t m : {1, 3, 12, 40}) {
            const Floats x(static_cast<size_t>(m * kInputs), random);
            const auto size = static_cast<size_t>((m - 1) * (outputs + kGap) + outputs);
            const Floats residual(size, random);
            for (const Isa isa : supported_isas()) {
                const auto layer = SparseMatrix::create(weight, true, isa);
                for (Epilogue epilogue : kEpilogues) {
                    for (const bool added : {false, true}) {
                        epilogue.residual = added ? residual.data.get() : nullptr;
                        const MatrixRun run{x.data.get(), nullptr, bias.data.get(), m, kInputs, 1, outputs + kGap};
                        check_run(*layer, run, isa, size, layer->scratch_nbytes(m, 3), epilogue);
                    }
                }
            }
        }
    }
}

void test_convolutions() {
    Random random(3);
    for (const int64_t groups : {1, 2}) {
        for (const int64_t batch : {1, 3}) {
            for (const int64_t edge : {3, 7, 20}) {
                const SparseWeight weight = random_weight(random, {12, 8 / groups, 3, 3}, {0.2});
                const Floats x(static_cast<size_t>(batch * 8 * edge * edge), random), bias(12, random);
                const Floats residual(static_cast<size_t>(batch * 12 * edge * edge), random);
                for (const Isa isa : supported_isas()) {
                    const auto layer = SparseConvolution::create(weight, {groups}, isa);
                    for (Epilogue epilogue : kEpilogues) {
                        for (const bool added : {false, true}) {
                            epilogue.residual = added ? residual.data.get() : nullptr;
                            const ConvolutionRun run{x.data.get(),    nullptr,         bias.data.get(), batch,
                                                     {1, edge, edge}, {1, edge, edge}, {0, 1, 1}};
                            check_run(*layer, run, isa, residual.size, layer->scratch_nbytes(run, 3), epilogue);
                        }
                    }
                }
            }
        }
    }
}

}  // namespace

int main() {
    test_activations_over_the_whole_float_range();
    test_pieces_of_any_length();
    test_matrices();
    test_convolutions();
    return check::finish();
}
