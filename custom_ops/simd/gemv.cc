#include "simd/gemv.h"

#include "simd/family.h"

namespace onnxdc {
namespace {

constexpr Variant<const ByteWindowKernels*> kFamily[] = {
#if defined(__x86_64__)
    {features_of(Isa::kAvx512Vbmi), &kByteWindowKernelsAvx512Vbmi},
#endif
    {0, nullptr},
};

}  // namespace

const ByteWindowKernels* byte_window_kernels(Isa isa) { return best_of(kFamily, features_of(isa)); }

}  // namespace onnxdc
