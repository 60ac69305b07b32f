#include "kernels/panel_epilogue.h"

#include <limits>

#include "parallel/range.h"

namespace onnxdc {

void finish_panel(const Epilogue& epilogue, Isa isa, const PanelOutput& output, float* sums, size_t sums_pitch) {
    const Finish finish = finish_kernel(isa);
    // Without a residual in one go: a call for each segment would take longer than its work.
    if (!epilogue.residual) return finish(epilogue, nullptr, sums, output.rows * sums_pitch);
    const float* residual = epilogue.residual + output.first;
    for (size_t row = 0; row < output.rows; ++row, sums += sums_pitch, residual += output.pitch) {
        for (size_t i = 0; i < output.segment_count; ++i) {
            const Segment& segment = output.segments[i];
            finish(epilogue, residual + segment.from, sums + segment.to, segment.length);
        }
    }
}

OutputLimits::OutputLimits(const Epilogue& epilogue)
    : low(-std::numeric_limits<float>::infinity()), high(std::numeric_limits<float>::infinity()), are_all(true) {
    switch (epilogue.activation) {
        case Activation::none: break;
        case Activation::relu: low = 0.0f; break;
        case Activation::clip: low = epilogue.a, high = epilogue.b; break;
        default: are_all = false;
    }
}

void prefetch(const float* y, const PanelOutput& output) {
    constexpr size_t kLine = 64 / sizeof(float);
    y += output.first;
    // Rows of small planes lie in the same line.
    const size_t step = divide_up(kLine, output.pitch);
    for (size_t row = 0; row < output.rows; row += step, y += step * output.pitch) {
        for (size_t i = 0; i < output.segment_count; ++i) {
            const Segment& segment = output.segments[i];
            for (size_t lane = 0; lane < segment.length; lane += kLine)
                __builtin_prefetch(y + segment.from + lane, 0, 2);
        }
    }
}

}  // namespace onnxdc
