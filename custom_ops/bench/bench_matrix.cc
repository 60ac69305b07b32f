// Time of single matrix products, one thread: bench_matrix [name of an instruction set [rows of x [dynamic]]]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "bench/timing.h"
#include "kernels/dynamic.h"
#include "kernels/matrix.h"

using namespace onnxdc;

namespace {

struct Layer {
    int64_t outputs, inputs;
    double density;
    int codes;
};

constexpr Layer kLayers[] = {
    {4096, 9216, 0.09, 32},  {4096, 9216, 0.09, 256}, {4096, 4096, 0.09, 32}, {1000, 4096, 0.25, 32},
    {4096, 25088, 0.04, 32}, {300, 784, 0.08, 32},    {768, 3072, 0.1, 32},   {3072, 768, 0.1, 256},
};

SparseWeight random_weight(const Layer& layer) {
    std::mt19937 random(1);
    SparseWeight weight;
    weight.shape = {layer.outputs, layer.inputs};
    weight.codes_per_group = layer.codes - 1;  // one more stands for zero
    for (int i = 1; i < layer.codes; ++i) weight.codebook.push_back(static_cast<float>(i) / 256.0f);
    std::bernoulli_distribution keep(layer.density);
    for (uint32_t p = 0; p < weight.numel(); ++p) {
        if (!keep(random)) continue;
        weight.position.push_back(p);
        weight.code.push_back(static_cast<uint8_t>(random() % static_cast<unsigned>(layer.codes - 1)));
    }
    return weight;
}

}  // namespace

int main(int argc, char** argv) {
    Isa isa;
    std::string error;
    if (!choose_isa(argc > 1 ? argv[1] : nullptr, &isa, &error)) return std::fprintf(stderr, "%s\n", error.c_str()), 1;
    const int64_t only = argc > 2 ? std::atol(argv[2]) : 0;
    const bool dynamic = argc > 3;
    std::vector<int64_t> batches = {1, 2, 4, 8, 16, 64, 128};
    if (only > 0) batches = {only};
    std::printf("%-28s", isa_name(isa));
    for (const int64_t m : batches) std::printf("        m = %-7d", static_cast<int>(m));
    std::printf("\n");
    for (const Layer& layer : kLayers) {
        const SparseWeight weight = random_weight(layer);
        const auto create_start = std::chrono::steady_clock::now();
        const char* problem = nullptr;
        const auto kernel = dynamic ? create_dynamic_matrix(weight, true, isa, only, &problem)
                                    : SparseMatrix::create(weight, true, isa, only);
        const double create_ms =
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - create_start).count();
        std::printf("%dx%d %2.0f %% %3d %5.0f ms ", static_cast<int>(layer.outputs), static_cast<int>(layer.inputs),
                    layer.density * 100, layer.codes, create_ms);
        for (const int64_t m : batches) {
            std::vector<float> x(static_cast<size_t>(m * layer.inputs), 1.0f),
                y(static_cast<size_t>(m * layer.outputs));
            const MatrixRun run{x.data(), y.data(), nullptr, m, layer.inputs, 1, layer.outputs, 1.0f};
            SerialExecutor executor;
            const double us =
                median_us(kernel->scratch_nbytes(m, 1), [&](void* scratch) { kernel->run(run, scratch, executor); });
            std::printf(" %7.0f us %3.0f GF/s", us, 2.0 * static_cast<double>(weight.nnz() * m) / us * 1e-3);
            std::fflush(stdout);
        }
        std::printf("\n");
    }
    return 0;
}
