#include "simd/bytes.h"

#include "simd/family.h"

namespace onnxdc {
namespace {

constexpr Variant<const ByteKernels*> kFamily[] = {
#if defined(__x86_64__)
    {features_of(Isa::kAvx512), &kByteKernelsAvx512},
    {features_of(Isa::kAvx2), &kByteKernelsAvx2},
#elif defined(__aarch64__)
    {features_of(Isa::kNeon), &kByteKernelsNeon},
#endif
    {0, nullptr},
};

}  // namespace

const ByteKernels* byte_kernels(Isa isa) { return best_of(kFamily, features_of(isa)); }

}  // namespace onnxdc
