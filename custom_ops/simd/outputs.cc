#include "simd/outputs.h"

#include "simd/family.h"

namespace onnxdc {
namespace {

constexpr Variant<FinishOutputs> kFamily[] = {
#if defined(__x86_64__)
    {features_of(Isa::kAvx512), finish_outputs_avx512},
    {features_of(Isa::kAvx2), finish_outputs_avx2},
#endif
    {0, nullptr},
};

}  // namespace

FinishOutputs finish_outputs(Isa isa) { return best_of(kFamily, features_of(isa)); }

}  // namespace onnxdc
