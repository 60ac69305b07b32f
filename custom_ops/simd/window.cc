#include "simd/window.h"

namespace onnxdc {

const WindowKernels* window_kernels([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::kAvx512) return window_kernels_avx512();
    if (isa == Isa::kAvx2) return window_kernels_avx2();
#endif
    return nullptr;
}

}  // namespace onnxdc
