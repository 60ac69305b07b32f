#include "isa/isa.h"

#include <cstdlib>

namespace onnxdc {
namespace {

struct Variant {
    Isa isa;
    bool (*supported)();
};

#if defined(__x86_64__)
// __builtin_cpu_supports asks the processor and whether the operating system saves the wide registers.
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx512() {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

bool always() { return true; }

// Fastest first. NEON is part of every AArch64 processor.
constexpr Variant kVariants[] = {
#if defined(__x86_64__)
    {Isa::kAvx512, has_avx512},
    {Isa::kAvx2, has_avx2},
#elif defined(__aarch64__)
    {Isa::kNeon, always},
#endif
    {Isa::kScalar, always},
};

}  // namespace

const char* isa_name(Isa isa) {
    switch (isa) {
        case Isa::kAvx512: return "avx512";
        case Isa::kAvx2: return "avx2";
        case Isa::kNeon: return "neon";
        case Isa::kScalar: break;
    }
    return "scalar";
}

std::vector<Isa> supported_isas() {
    std::vector<Isa> supported;
    for (const Variant& variant : kVariants) {
        if (variant.supported()) supported.push_back(variant.isa);
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
