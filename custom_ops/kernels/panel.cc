#include "kernels/panel.h"

#include <algorithm>

#include "parallel/share.h"

namespace onnxdc {
namespace {

constexpr size_t kPanelFloats = 64 * 1024 / sizeof(float);

size_t time(const PanelKernels& kernels, size_t lanes) { return divide_up(lanes, kernels.lanes) * kernels.vector_time; }

}  // namespace

const PanelKernels& best_fit(const PanelKernels& kernels, size_t lanes) {
    const PanelKernels* best = &kernels;
    for (const PanelKernels* next = best->narrower; next; next = next->narrower) {
        if (time(*next, lanes) < time(*best, lanes)) best = next;
    }
    return *best;
}

LaneBlocks::LaneBlocks(size_t positions, size_t max_vectors, size_t lanes)
    : positions(positions), lanes(lanes), vectors(divide_up(positions, lanes)), count(divide_up(vectors, max_vectors)) {
    if (count > 1 && count < vectors) count += count % 2;
}

size_t panel_vectors(const PanelKernels& kernels, size_t columns) {
    return std::clamp<size_t>(kPanelFloats / (std::max<size_t>(columns, 1) * kernels.lanes), 1, kernels.max_vectors);
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
