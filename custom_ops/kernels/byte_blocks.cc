#include "kernels/byte_blocks.h"

#include <algorithm>

namespace onnxdc {
namespace {

// What one copy may write beyond the end of a panel.
constexpr size_t kSlack = 64;

}  // namespace

ByteBlocks::ByteBlocks(const QuadKernels& kernels, size_t positions)
    : kernels_(kernels), positions_(positions), wide_(positions / kernels.wide.lanes) {
    const size_t rest = positions % kernels.wide.lanes;
    narrow_ = rest > 0 && rest <= kernels.narrow.lanes;
    wide_ += rest > kernels.narrow.lanes;
}

Range ByteBlocks::positions(size_t block) const {
    const size_t wide = kernels_.wide.lanes, narrow = kernels_.narrow.lanes;
    const size_t begin = block < wide_ ? block * wide : wide_ * wide + (block - wide_) * narrow;
    return {begin, std::min(positions_, begin + kernels(block).lanes)};
}

ByteWorker::ByteWorker(const QuadKernels& kernels, size_t columns, ScratchCut* scratch)
    : panel(scratch->take<uint8_t>(columns * kernels.wide.lanes + kSlack)),
      sums(scratch->take<int32_t>(QuadTiles::kBandRows * kernels.wide.lanes)),
      outputs(scratch->take<float>(QuadTiles::kBandRows * kernels.wide.lanes)),
      zero(scratch->take<int32_t>(kernels.wide.lanes)),
      scale(scratch->take<float>(kernels.wide.lanes)) {}

void ByteWorker::set_lane(size_t lane, const InputRange& range) const {
    zero[lane] = range.zero;
    scale[lane] = range.scale;
}

void ByteWorker::clear_lanes(size_t from, size_t to) const {
    for (size_t lane = from; lane < to; ++lane) set_lane(lane, {0.0f, 0.0f, 0});
}

void multiply_band(const QuadTiles& tiles, size_t band, const BytePanelKernels& kernels, const ByteWorker& worker,
                   const ByteRows& rows) {
    const size_t first = tiles.first_row_of_band(band), count = tiles.first_row_of_band(band + 1) - first;
    std::fill_n(worker.sums, count * kernels.lanes, 0);
    for (size_t tile = 0; tile < tiles.tiles(); ++tile)
        kernels.multiply(tiles.block(tile, band), worker.panel + tile * tiles.tile_columns() * kernels.lanes,
                         worker.sums);
    const ByteRows own{rows.sum + first, rows.scale + first, rows.bias ? rows.bias + first : nullptr, rows.alpha};
    kernels.finish(worker.sums, count, {worker.zero, worker.scale}, own, worker.outputs);
}

}  // namespace onnxdc
