#include "simd/window.h"

#include "simd/family.h"

namespace onnxdc {
namespace {

constexpr Variant<const WindowKernels*> kFamily[] = {
#if defined(__x86_64__)
    {features_of(Isa::kAvx512), &kWindowKernelsAvx512},
    {features_of(Isa::kAvx2), &kWindowKernelsAvx2},
#endif
    {0, nullptr},
};

}  // namespace

const WindowKernels* window_kernels(Isa isa) { return best_of(kFamily, features_of(isa)); }

}  // namespace onnxdc
