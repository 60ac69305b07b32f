#include "simd/pixels.h"

#include "simd/family.h"

namespace onnxdc {
namespace {

constexpr Variant<const PixelKernels*> kFamily[] = {
#if defined(__x86_64__)
    {features_of(Isa::kAvx512), &kPixelKernelsAvx512},
#endif
    {0, nullptr},
};

}  // namespace

const PixelKernels* pixel_kernels(Isa isa) { return best_of(kFamily, features_of(isa)); }

}  // namespace onnxdc
