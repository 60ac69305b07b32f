// What the processor has, as the compiler's own runtime finds it; the choice of an instruction set, and of kernels for
// it: what is forced runs, and what cannot run is refused.
#include <cstdlib>
#include <cstring>

#include "check.h"
#include "isa/isa.h"
#include "simd/family.h"
#include "simd/panel.h"
#include "simd/window.h"

using namespace onnxdc;

namespace {

void test_features_are_those_that_the_compiler_finds() {
#if defined(__x86_64__) && defined(__linux__)
    const Features features = processor_features();
    CHECK(has_all(features, feature::kAvx2) == bool(__builtin_cpu_supports("avx2")));
    CHECK(has_all(features, feature::kFma) == bool(__builtin_cpu_supports("fma")));
    CHECK(has_all(features, feature::kAvx512f) == bool(__builtin_cpu_supports("avx512f")));
    CHECK(has_all(features, feature::kAvx512bw) == bool(__builtin_cpu_supports("avx512bw")));
    CHECK(has_all(features, feature::kAvx512dq) == bool(__builtin_cpu_supports("avx512dq")));
    CHECK(has_all(features, feature::kAvx512vl) == bool(__builtin_cpu_supports("avx512vl")));
    CHECK(has_all(features, feature::kAvx512Vnni) == bool(__builtin_cpu_supports("avx512vnni")));
    CHECK(has_all(features, feature::kAvx512Vbmi) == bool(__builtin_cpu_supports("avx512vbmi")));
#endif
}

void test_scalar_is_the_last_resort() { CHECK(supported_isas().back() == Isa::kScalar); }

void test_each_supported_one_can_be_forced() {
    for (const Isa isa : supported_isas()) {
        Isa chosen = isa == Isa::kScalar ? Isa::kAvx2 : Isa::kScalar;
        std::string error;
        CHECK(choose_isa(isa_name(isa), &chosen, &error));
        CHECK(chosen == isa);
        CHECK(error.empty());
    }
}

void test_nothing_forced_is_the_fastest() {
    for (const char* forced : {static_cast<const char*>(nullptr), ""}) {
        Isa chosen = Isa::kScalar;
        std::string error;
        CHECK(choose_isa(forced, &chosen, &error));
        CHECK(chosen == supported_isas().front());
    }
}

void test_unknown_and_unsupported_are_errors() {
    // No processor has both.
    const char* foreign = has_all(processor_features(), feature::kNeon) ? "avx2" : "neon";
    for (const char* forced : {"sse9", foreign, "AVX2", "scalar "}) {
        Isa chosen = Isa::kScalar;
        std::string error;
        CHECK(!choose_isa(forced, &chosen, &error));
        CHECK(std::strstr(error.c_str(), forced));
        CHECK(std::strstr(error.c_str(), "scalar"));
    }
}

void test_environment() {
    Isa chosen = Isa::kAvx2;
    std::string error;
    setenv("ONNXDC_ISA", "scalar", 1);
    CHECK(choose_isa_from_environment(&chosen, &error) && chosen == Isa::kScalar);
    setenv("ONNXDC_ISA", "none", 1);
    CHECK(!choose_isa_from_environment(&chosen, &error));
    unsetenv("ONNXDC_ISA");
    CHECK(choose_isa_from_environment(&chosen, &error) && chosen == supported_isas().front());
}

void test_a_family_yields_the_first_that_can_run() {
    constexpr Features kFirst = feature::kAvx512f | feature::kAvx512vl, kSecond = feature::kAvx2;
    constexpr Variant<int> kFamily[] = {{kFirst, 1}, {kSecond, 2}, {0, 3}};
    CHECK(best_of(kFamily, kFirst | kSecond) == 1);
    CHECK(best_of(kFamily, feature::kAvx512vl | kSecond) == 2);
    CHECK(best_of(kFamily, feature::kAvx512f) == 3);
    CHECK(best_of(kFamily, 0) == 3);
}

void test_each_supported_one_has_kernels() {
    for (const Isa isa : supported_isas()) {
        CHECK(has_all(processor_features(), features_of(isa)));
        if (isa == Isa::kScalar) {
            CHECK(!panel_kernels(isa) && !window_kernels(isa));
            continue;
        }
        const bool is_plain = isa == Isa::kAvx512 || isa == Isa::kAvx2 || isa == Isa::kNeon;
        const Isa panels = panel_kernels(isa)->isa;
        CHECK(is_plain == (panels == isa) && has_all(features_of(isa), features_of(panels)));
        if (const WindowKernels* windows = window_kernels(isa)) CHECK(windows->isa == panels);
        CHECK(window_kernels(isa) || panels == Isa::kNeon);
    }
}

}  // namespace

int main() {
    test_features_are_those_that_the_compiler_finds();
    test_scalar_is_the_last_resort();
    test_each_supported_one_can_be_forced();
    test_nothing_forced_is_the_fastest();
    test_unknown_and_unsupported_are_errors();
    test_environment();
    test_a_family_yields_the_first_that_can_run();
    test_each_supported_one_has_kernels();
    return check::finish();
}
