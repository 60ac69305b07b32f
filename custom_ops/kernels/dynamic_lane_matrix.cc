#include "kernels/dynamic_lane_matrix.h"

#include <algorithm>
#include <utility>

#include "kernels/byte_rows.h"
#include "kernels/scratch.h"

namespace onnxdc {
namespace {

// Sixteen rows of so many bytes stay in a first cache of 32 KB next to the steps that stream through it.
constexpr size_t kMaxTileColumns = 1536;
constexpr size_t kLine = 64;
// What a chunk of bands has in one tile: a part of a second cache of a megabyte, which holds rows and sums, too.
constexpr size_t kChunkBytes = 160 * 1024;
constexpr size_t kMaxChunkBands = 16;
// So many rows have their sums at a time.
constexpr size_t kMaxSliceRows = 128;
constexpr size_t kSumsOfRow = WindowLanes::kBandRows;  // and band

// Tiles of one width rather than a narrow one at the end.
size_t tile_columns(size_t columns) {
    const size_t tiles = divide_up(columns, kMaxTileColumns);
    return divide_up(divide_up(columns, tiles), kLine) * kLine;
}

size_t chunk_bands(const WindowLanes& lanes) {
    const size_t blocks = lanes.tiles() * lanes.bands(), bytes = lanes.steps() * sizeof(LaneStep);
    return std::clamp<size_t>(kChunkBytes * blocks / std::max<size_t>(1, bytes), 1, kMaxChunkBands);
}

}  // namespace

// All that follows from the number of rows of x, and the cut of the scratch memory.
struct DynamicLaneMatrix::Plan {
    Plan(const DynamicLaneMatrix& layer, size_t m, void* memory, size_t worker_count) : scratch(memory) {
        // Bands alone may be too few for all workers.
        const size_t groups = divide_up(m, LaneKernels::kMaxInputs);
        const size_t wanted = std::max(divide_up(m, kMaxSliceRows), divide_up(4 * worker_count, layer.lanes_.bands()));
        slices = std::min(groups, wanted);
        // Rows at an odd number of cache lines from each other meet all sets of a cache.
        pitch = (divide_up(layer.lanes_.columns() + WindowLanes::kOverread, kLine) | 1) * kLine;
        zero = scratch.take<int32_t>(m);
        scale = scratch.take<float>(m);
        bytes = scratch.take<uint8_t>(m * pitch);
        const size_t kept_bands = layer.lanes_.tiles() > 1 ? std::min(layer.chunk_bands_, layer.lanes_.bands()) : 1;
        const size_t kept_rows = layer.lanes_.tiles() > 1 ? divide_up(m, slices) : LaneKernels::kMaxInputs;
        sums_of_worker = kept_bands * kept_rows * kSumsOfRow;
        sums = scratch.take<int32_t>(worker_count * sums_of_worker);
    }

    ScratchCut scratch;
    size_t slices;  // of the rows of x
    size_t pitch;
    int32_t* zero;   // [m]
    float* scale;    // [m]
    uint8_t* bytes;  // [m, pitch]
    size_t sums_of_worker;
    int32_t* sums;  // [workers, sums_of_worker]
};

DynamicLaneMatrix::DynamicLaneMatrix(IntegerRows weight, const LaneKernels& lanes, const ByteKernels& bytes, Isa isa)
    : lanes_(weight, 0, weight.rows, tile_columns(weight.columns), 1),
      scale_(std::move(weight.scale)),
      sum_(std::move(weight.sum)),
      chunk_bands_(chunk_bands(lanes_)),
      kernels_(lanes),
      bytes_(bytes),
      isa_(isa) {}

size_t DynamicLaneMatrix::scratch_nbytes(int64_t m, size_t workers) const {
    return m == 0 ? 0 : Plan(*this, static_cast<size_t>(m), nullptr, workers).scratch.nbytes();
}

void DynamicLaneMatrix::run(const MatrixRun& run, void* scratch, Executor& executor) const {
    if (run.m == 0) return;
    const auto m = static_cast<size_t>(run.m);
    const size_t tasks = executor.workers(), bands = lanes_.bands();
    const Plan plan(*this, m, scratch, tasks);
    executor.parallel_for(tasks, [&](size_t task) {
        const Range part = part_of(m, tasks, task);
        for (size_t row = part.begin; row < part.end; ++row) {
            const InputRange range = round_row(bytes_, run, row, lanes_.columns(), plan.bytes + row * plan.pitch);
            plan.zero[row] = range.zero;
            plan.scale[row] = range.scale;
        }
    });
    executor.parallel_for(tasks, [&](size_t task) {
        // A unit is one band of one slice of the rows.
        const Range part = part_of(plan.slices * bands, tasks, task);
        for (size_t unit = part.begin; unit < part.end;) {
            const size_t first_band = unit % bands, last_band = std::min(bands, first_band + part.end - unit);
            run_bands(run, plan, part_of(m, plan.slices, unit / bands), {first_band, last_band},
                      plan.sums + task * plan.sums_of_worker);
            unit += last_band - first_band;
        }
    });
}

void DynamicLaneMatrix::run_bands(const MatrixRun& run, const Plan& plan, Range rows, Range bands,
                                  int32_t* sums) const {
    const size_t count = rows.end - rows.begin, groups = divide_up(count, LaneKernels::kMaxInputs);
    const size_t tiles = lanes_.tiles();
    for (size_t chunk = bands.begin; chunk < bands.end; chunk += chunk_bands_) {
        const size_t chunk_end = std::min(bands.end, chunk + chunk_bands_);
        for (size_t tile = 0; tile < tiles; ++tile) {
            for (size_t g = 0; g < groups; ++g) {
                const Range part = part_of(count, groups, g), group{rows.begin + part.begin, rows.begin + part.end};
                const size_t inputs = group.end - group.begin;
                const uint8_t* x = plan.bytes + group.begin * plan.pitch;
                const LaneInputs of_group{x, x + (inputs + 1) / 2 * plan.pitch, plan.pitch};
                // With a single tile sums are done with at once, and all lie at the same place.
                int32_t* at = tiles > 1 ? sums + part.begin * (chunk_end - chunk) * kSumsOfRow : sums;
                for (size_t band = chunk; band < chunk_end; ++band) {
                    kernels_.multiply[inputs](lanes_.band(tile, band), of_group, tile > 0, at);
                    if (tile + 1 == tiles) finish_band(run, plan, group, band, at);
                    if (tiles > 1) at += inputs * kSumsOfRow;
                }
            }
        }
    }
}

void DynamicLaneMatrix::finish_band(const MatrixRun& run, const Plan& plan, Range rows, size_t band,
                                    const int32_t* sums) const {
    const size_t first = lanes_.first_row_of_band(band), outputs = lanes_.first_row_of_band(band + 1) - first;
    const ByteRows of_outputs{sum_.data() + first, scale_.data() + first, run.bias ? run.bias + first : nullptr,
                              run.alpha};
    float* y = run.y + static_cast<int64_t>(rows.begin) * run.y_row_stride + first;
    kernels_.finish(sums, lanes_.places(band), rows.end - rows.begin, outputs,
                    {plan.zero + rows.begin, plan.scale + rows.begin}, of_outputs, y,
                    static_cast<size_t>(run.y_row_stride));
    if (run.epilogue.activation == Activation::none && !run.epilogue.residual) return;
    const Finish finish = finish_kernel(isa_);
    for (size_t row = rows.begin; row < rows.end; ++row, y += run.y_row_stride)
        finish(run.epilogue, run.epilogue.residual_at(y - run.y), y, outputs);
}

}  // namespace onnxdc
