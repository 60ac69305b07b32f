// The instruction sets that kernels are written for, and which of them runs.
#pragma once

#include <string>
#include <vector>

namespace onnxdc {

enum class Isa { kAvx512, kAvx2, kNeon, kScalar };

const char* isa_name(Isa isa);

// What this processor and its operating system support, the fastest first. The last one is always kScalar.
std::vector<Isa> supported_isas();

// The variant to run: the one called `forced`, or the fastest supported one when `forced` is null or empty.
// False, with one line that names the valid choices, when `forced` is unknown or not supported here.
bool choose_isa(const char* forced, Isa* isa, std::string* error);

// choose_isa() on the environment variable ONNXDC_ISA.
bool choose_isa_from_environment(Isa* isa, std::string* error);

}  // namespace onnxdc
