#include "simd/panel.h"

#include "parallel/range.h"
#include "simd/family.h"

namespace onnxdc {
namespace {

constexpr Variant<const PanelKernels*> kFamily[] = {
#if defined(__x86_64__)
    {features_of(Isa::kAvx512), &kPanelKernelsAvx512},
    {features_of(Isa::kAvx2), &kPanelKernelsAvx2},
#elif defined(__aarch64__)
    {features_of(Isa::kNeon), &kPanelKernelsNeon},
#endif
    {0, nullptr},
};

size_t time(const PanelKernels& kernels, size_t lanes) { return divide_up(lanes, kernels.lanes) * kernels.vector_time; }

}  // namespace

const PanelKernels& best_fit(const PanelKernels& kernels, size_t lanes) {
    const PanelKernels* best = &kernels;
    for (const PanelKernels* next = best->narrower; next; next = next->narrower) {
        if (time(*next, lanes) < time(*best, lanes)) best = next;
    }
    return *best;
}

const PanelKernels* panel_kernels(Isa isa) { return best_of(kFamily, features_of(isa)); }

}  // namespace onnxdc
