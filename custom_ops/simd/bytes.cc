#include "simd/bytes.h"

#include "simd/family.h"

namespace onnxdc {
namespace {

#if defined(__x86_64__)
// The panels are those of AVX2.
const ByteKernels kByteKernelsAvx512 = [] {
    ByteKernels kernels = kByteKernelsAvx2;
    kernels.extremes = extremes_avx512;
    kernels.round = round_avx512;
    return kernels;
}();
#endif

constexpr Variant<const ByteKernels*> kFamily[] = {
#if defined(__x86_64__)
    {features_of(Isa::kAvx512), &kByteKernelsAvx512},
    {features_of(Isa::kAvx2), &kByteKernelsAvx2},
#endif
    {0, nullptr},
};

}  // namespace

const ByteKernels* byte_kernels(Isa isa) { return best_of(kFamily, features_of(isa)); }

}  // namespace onnxdc
