// Time of single convolutions, one thread:
// bench_convolution [name of an instruction set [part of a layer's name [dynamic]]]
#include <cstdio>
#include <cstring>
#include <random>

#include "bench/timing.h"
#include "kernels/convolution.h"
#include "kernels/dynamic.h"

using namespace onnxdc;

namespace {

struct Layer {
    const char* name;
    int64_t inputs, outputs, size, kernel, stride, groups, batch;
};

constexpr Layer kLayers[] = {
    {"5x5 g2 96->256@27", 96, 256, 27, 5, 1, 2, 1},     {"3x3 256->384@13", 256, 384, 13, 3, 1, 1, 1},
    {"3x3 g2 384->384@13", 384, 384, 13, 3, 1, 2, 1},   {"3x3 g2 384->256@13", 384, 256, 13, 3, 1, 2, 1},
    {"3x3 256->384@13 b16", 256, 384, 13, 3, 1, 1, 16}, {"3x3 256->256@14", 256, 256, 14, 3, 1, 1, 1},
    {"3x3 64->64@56", 64, 64, 56, 3, 1, 1, 1},          {"3x3 64->64@224", 64, 64, 224, 3, 1, 1, 1},
    {"1x1 512->512@28", 512, 512, 28, 1, 1, 1, 1},      {"1x1 256->64@56", 256, 64, 56, 1, 1, 1, 1},
    {"1x1 64->256@56", 64, 256, 56, 1, 1, 1, 1},        {"3x3 512->512@7", 512, 512, 7, 3, 1, 1, 1},
    {"3x3 s2 128->256@28", 128, 256, 28, 3, 2, 1, 1},   {"3x3 dw 256@28", 256, 256, 28, 3, 1, 256, 1},
    {"1x1 512->512@7 b64", 512, 512, 7, 1, 1, 1, 64},   {"1x1 512->512@1 b64", 512, 512, 1, 1, 1, 1, 64},
};

SparseWeight random_weight(const Layer& layer, double density) {
    std::mt19937 random(1);
    SparseWeight weight;
    weight.shape = {layer.outputs, layer.inputs / layer.groups, layer.kernel, layer.kernel};
    weight.codes_per_group = 255;
    for (int i = 1; i < 256; ++i) weight.codebook.push_back(static_cast<float>(i) / 256.0f);
    std::bernoulli_distribution keep(density);
    for (uint32_t p = 0; p < weight.numel(); ++p) {
        if (!keep(random)) continue;
        weight.position.push_back(p);
        weight.code.push_back(static_cast<uint8_t>(random() % 255));
    }
    return weight;
}

}  // namespace

int main(int argc, char** argv) {
    Isa isa;
    std::string error;
    const char* only = argc > 2 ? argv[2] : "";
    const bool dynamic = argc > 3;
    if (!choose_isa(argc > 1 ? argv[1] : nullptr, &isa, &error)) return std::fprintf(stderr, "%s\n", error.c_str()), 1;
    std::printf("%-22s", isa_name(isa));
    const double densities[] = {0.05, 0.1, 0.22, 0.35, 0.6};
    for (const double density : densities) std::printf("   %9.0f %%        ", density * 100);
    std::printf("\n");
    for (const Layer& layer : kLayers) {
        if (!std::strstr(layer.name, only)) continue;
        const int64_t out = (layer.size - 1) / layer.stride + 1, pad = layer.kernel / 2;
        std::vector<float> x(static_cast<size_t>(layer.batch * layer.inputs * layer.size * layer.size), 1.0f);
        std::vector<float> y(static_cast<size_t>(layer.batch * layer.outputs * out * out));
        std::printf("%-22s", layer.name);
        for (const double density : densities) {
            const SparseWeight weight = random_weight(layer, density);
            const ConvolutionParams params{layer.groups, {1, layer.stride, layer.stride}, {1, 1, 1}};
            const char* problem = nullptr;
            const auto kernel = dynamic ? create_dynamic_convolution(weight, params, isa, &problem)
                                        : SparseConvolution::create(weight, params, isa);
            const ConvolutionRun run{x.data(),      y.data(),     nullptr, layer.batch, {1, layer.size, layer.size},
                                     {1, out, out}, {0, pad, pad}};
            SerialExecutor executor;
            const double us =
                median_us(kernel->scratch_nbytes(run, 1), [&](void* scratch) { kernel->run(run, scratch, executor); });
            const double flops = 2.0 * static_cast<double>(weight.nnz() * out * out * layer.batch);
            std::printf(" %8.0f us %4.0f GF/s", us, flops / us * 1e-3);
            std::fflush(stdout);
        }
        std::printf("\n");
    }
    return 0;
}
