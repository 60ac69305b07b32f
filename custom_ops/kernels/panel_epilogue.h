// The epilogue of the sums of a panel, where PanelKernels::scatter is about to take them from.
#pragma once

#include "simd/epilogue.h"
#include "simd/panel.h"

namespace onnxdc {

// Where rows of sums go: row r, segment by segment, to y + first + r * pitch. As in scatter(), `from` counts from there
// and `to` is the lane of the sums.
struct PanelOutput {
    ptrdiff_t first;
    size_t rows, pitch;
    const Segment* segments;
    size_t segment_count;
};

// Applies the epilogue to the sums, [rows][sums_pitch].
void finish_panel(const Epilogue& epilogue, Isa isa, const PanelOutput& output, float* sums, size_t sums_pitch);

// What the usual activations do: they keep outputs from `low` to `high`. Of other activations `are_all` is false.
struct OutputLimits {
    explicit OutputLimits(const Epilogue& epilogue);

    float low, high;
    bool are_all;
};

// Asks for what lies at `y` where these rows go: the pieces lie apart, and come from far away.
void prefetch(const float* y, const PanelOutput& output);

// Likewise for what finish_panel will read of the residual.
inline void prefetch_residual(const Epilogue& epilogue, const PanelOutput& output) {
    if (epilogue.residual) prefetch(epilogue.residual, output);
}

}  // namespace onnxdc
