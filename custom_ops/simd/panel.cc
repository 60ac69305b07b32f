#include "simd/panel.h"

namespace onnxdc {
namespace {

size_t time(const PanelKernels& kernels, size_t lanes) {
    const size_t vectors = (lanes + kernels.lanes - 1) / kernels.lanes;
    return vectors * kernels.vector_time;
}

}  // namespace

const PanelKernels& best_fit(const PanelKernels& kernels, size_t lanes) {
    const PanelKernels* best = &kernels;
    for (const PanelKernels* next = best->narrower; next; next = next->narrower) {
        if (time(*next, lanes) < time(*best, lanes)) best = next;
    }
    return *best;
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
