// Thousands of random matrix products: test_random_matrix [number of cases] [first seed]
#include "random_matrix.h"

using namespace onnxdc;

int main(int argc, char** argv) { return run_random_cases(argc, argv, random_matrix); }
