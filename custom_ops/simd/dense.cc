#include "simd/dense.h"

#include "simd/family.h"

namespace onnxdc {
namespace {

constexpr Variant<const DenseKernels*> kFamily[] = {
#if defined(__x86_64__)
    {features_of(Isa::kAvx512Vnni), &kDenseKernelsAvx512Vnni},
#endif
    {0, nullptr},
};

}  // namespace

const DenseKernels* dense_kernels(Isa isa) { return best_of(kFamily, features_of(isa)); }

}  // namespace onnxdc
