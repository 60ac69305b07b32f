#include "kernels/panel.h"

#include <algorithm>

namespace onnxdc {
namespace {

constexpr size_t kPanelFloats = 40 * 1024 / sizeof(float);
// With fewer vectors, reading the nonzeros costs more than a panel in the second cache.
constexpr size_t kMinVectors = 4;

}  // namespace

size_t panel_vectors(size_t columns, size_t lanes) {
    return std::clamp<size_t>(kPanelFloats / (std::max<size_t>(columns, 1) * lanes), kMinVectors,
                              PanelKernels::kMaxVectors);
}

const PanelKernels* panel_kernels(Isa isa) {
    switch (isa) {
#if defined(__x86_64__)
        case Isa::kAvx512: return panel_kernels_avx512();
        case Isa::kAvx2: return panel_kernels_avx2();
#elif defined(__aarch64__)
        case Isa::kNeon: return panel_kernels_neon();
#endif
        default: return nullptr;
    }
}

}  // namespace onnxdc
