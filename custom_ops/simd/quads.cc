#include "simd/quads.h"

#include "simd/family.h"

namespace onnxdc {
namespace {

constexpr Variant<const QuadKernels*> kFamily[] = {
#if defined(__x86_64__)
    {features_of(Isa::kAvx512Vnni), &kQuadKernelsAvx512Vnni},
    {features_of(Isa::kAvx512), &kQuadKernelsAvx512},
#if defined(ONNXDC_HAS_AVXVNNI)
    {features_of(Isa::kAvxVnni), &kQuadKernelsAvxVnni},
#endif
    {features_of(Isa::kAvx2), &kQuadKernelsAvx2},
#elif defined(__aarch64__)
    {features_of(Isa::kNeonDot), &kQuadKernelsNeonDot},
    {features_of(Isa::kNeon), &kQuadKernelsNeon},
#endif
    {0, nullptr},
};

}  // namespace

const QuadKernels* quad_kernels(Isa isa) { return best_of(kFamily, features_of(isa)); }

}  // namespace onnxdc
