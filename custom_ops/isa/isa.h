// The instruction sets that kernels are written for, and which of them runs.
#pragma once

#include <string>
#include <vector>

#include "isa/features.h"

namespace onnxdc {

// Those with VNNI, VBMI or a dot product differ from the plain ones in layers on integers only.
enum class Isa { kAvx512Vbmi, kAvx512Vnni, kAvx512, kAvxVnni, kAvx2, kNeonDot, kNeon, kScalar };

const char* isa_name(Isa isa);

// What a processor must have for an instruction set, and with it what kernels may use where that set was chosen.
constexpr Features features_of(Isa isa) {
    switch (isa) {
        case Isa::kAvx512Vbmi: return features_of(Isa::kAvx512Vnni) | feature::kAvx512Vbmi;
        case Isa::kAvx512Vnni: return features_of(Isa::kAvx512) | feature::kAvx512Vnni;
        case Isa::kAvx512:
            return features_of(Isa::kAvx2) | feature::kAvx512f | feature::kAvx512bw | feature::kAvx512dq |
                   feature::kAvx512vl;
        case Isa::kAvxVnni: return features_of(Isa::kAvx2) | feature::kAvxVnni;
        case Isa::kAvx2: return feature::kAvx2 | feature::kFma;
        case Isa::kNeonDot: return features_of(Isa::kNeon) | feature::kNeonDot;
        case Isa::kNeon: return feature::kNeon;
        case Isa::kScalar: break;
    }
    return 0;
}

// What this processor and its operating system support, the fastest first. The last one is always kScalar.
std::vector<Isa> supported_isas();

// The set to run: the one called `forced`, or the fastest supported one when `forced` is null or empty.
// False, with one line that names the valid choices, when `forced` is unknown or not supported here.
bool choose_isa(const char* forced, Isa* isa, std::string* error);

// choose_isa() on the environment variable ONNXDC_ISA.
bool choose_isa_from_environment(Isa* isa, std::string* error);

}  // namespace onnxdc
