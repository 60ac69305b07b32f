#include "kernels/lane_blocks.h"

#include <algorithm>

namespace onnxdc {
namespace {

// The largest panel that tiles are made for (layouts/tiles.cc).
constexpr size_t kPanelFloats = 64 * 1024 / sizeof(float);

}  // namespace

LaneBlocks::LaneBlocks(size_t positions, size_t max_vectors, size_t lanes)
    : positions(positions), lanes(lanes), vectors(divide_up(positions, lanes)), count(divide_up(vectors, max_vectors)) {
    if (count > 1 && count < vectors) count += count % 2;
}

size_t panel_vectors(const PanelKernels& kernels, size_t columns) {
    return std::clamp<size_t>(kPanelFloats / (std::max<size_t>(columns, 1) * kernels.lanes), 1, kernels.max_vectors);
}

}  // namespace onnxdc
