#include "isa/isa.h"

#include <cstdlib>

namespace onnxdc {
namespace {

// Fastest first.
constexpr Isa kIsas[] = {Isa::kAvx512Vbmi, Isa::kAvx512Vnni, Isa::kAvx512, Isa::kAvxVnni,
                         Isa::kAvx2,       Isa::kNeonDot,    Isa::kNeon,   Isa::kScalar};

}  // namespace

const char* isa_name(Isa isa) {
    switch (isa) {
        case Isa::kAvx512Vbmi: return "avx512vbmi";
        case Isa::kAvx512Vnni: return "avx512vnni";
        case Isa::kAvx512: return "avx512";
        case Isa::kAvxVnni: return "avxvnni";
        case Isa::kAvx2: return "avx2";
        case Isa::kNeonDot: return "neondot";
        case Isa::kNeon: return "neon";
        case Isa::kScalar: break;
    }
    return "scalar";
}

std::vector<Isa> supported_isas() {
    const Features features = processor_features();
    std::vector<Isa> supported;
    for (const Isa isa : kIsas) {
        if (has_all(features, features_of(isa))) supported.push_back(isa);
    }
    return supported;
}

bool choose_isa(const char* forced, Isa* isa, std::string* error) {
    const std::vector<Isa> supported = supported_isas();
    if (!forced || !*forced) {
        *isa = supported.front();
        return true;
    }
    std::string names;
    for (Isa candidate : supported) {
        const std::string name = isa_name(candidate);
        if (name == forced) {
            *isa = candidate;
            return true;
        }
        names += (names.empty() ? "" : ", ") + name;
    }
    *error = std::string("ONNXDC_ISA is '") + forced + "', expected one of those that run here: " + names;
    return false;
}

bool choose_isa_from_environment(Isa* isa, std::string* error) {
    return choose_isa(std::getenv("ONNXDC_ISA"), isa, error);
}

}  // namespace onnxdc
