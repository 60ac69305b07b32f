// Thousands of random convolutions: test_random_convolution [number of cases] [first seed]
#include "random_convolution.h"

using namespace onnxdc;

int main(int argc, char** argv) { return run_random_cases(argc, argv, random_convolution); }
