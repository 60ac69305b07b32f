// Thousands of random layers on integers, half of them convolutions: test_random_dynamic [number of cases] [first seed]
#include "dynamic_case.h"
#include "random_convolution.h"
#include "random_matrix.h"

using namespace onnxdc;

namespace {

// One or the other.
struct DynamicCase {
    bool is_matrix;
    MatrixCase matrix;
    ConvolutionCase convolution;
};

DynamicCase random_case(uint32_t seed) {
    if (seed % 2 == 0) return {true, random_matrix(seed), {}};
    return {false, {}, random_convolution(seed)};
}

bool check_case(const DynamicCase& c, uint32_t seed, Worst*) {
    return c.is_matrix ? check_dynamic(c.matrix, seed) : check_dynamic(c.convolution, seed);
}

}  // namespace

int main(int argc, char** argv) { return run_random_cases(argc, argv, random_case); }
