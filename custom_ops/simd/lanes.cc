#include "simd/lanes.h"

#include "simd/family.h"

namespace onnxdc {
namespace {

constexpr Variant<const LaneKernels*> kFamily[] = {
#if defined(__x86_64__)
    {features_of(Isa::kAvx512Vbmi), &kLaneKernelsAvx512Vbmi},
#endif
    {0, nullptr},
};

}  // namespace

const LaneKernels* lane_kernels(Isa isa) { return best_of(kFamily, features_of(isa)); }

}  // namespace onnxdc
