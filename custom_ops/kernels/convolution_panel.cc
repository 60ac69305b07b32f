#include "kernels/convolution_panel.h"

#include <algorithm>

#include "kernels/lane_blocks.h"
#include "kernels/panel_epilogue.h"
#include "kernels/scratch.h"

namespace onnxdc {
namespace {

// Planes are put together until they have this many pixels: enough to fill the vectors of several blocks, few enough
// for the copies of the inputs to stay in a cache.
constexpr size_t kPixelsAtOnce = 1024;
// Planes of a multiple of so many floats meet the same sets of a cache: of these, a few channels are read for all taps
// before the next ones.
constexpr size_t kConflictFloats = 1024;
constexpr size_t kConflictChannels = 8;
// How many vectors of pixels the tiles are made for.
constexpr size_t kVectors = 4;

// At most so many pixels are put together.
size_t pixels_at_once(const ConvolutionRun& run) {
    const auto plane = static_cast<size_t>(product(run.out_size));
    const auto batch = static_cast<size_t>(run.batch);
    return plane * std::min(batch, divide_up(kPixelsAtOnce, plane));
}

}  // namespace

// The arrays of one worker.
struct PanelConvolution::Worker {
    float* panel;  // [tile_columns, pixels of a block]
    float* sums;   // [outputs of a group, pixels of a block]
    Piece* pieces;
    uint32_t* starts;  // [taps + 1]: where the pieces of each tap begin
    Segment* output;
};

// All that follows from the sizes of a run, and the cut of its scratch memory.
struct PanelConvolution::Plan {
    Plan(const PanelConvolution& layer, const ConvolutionRun& run, void* memory, size_t worker_count)
        : kernels(best_fit(layer.kernels_, pixels_at_once(run))),
          geometry(run, layer.params_, layer.kernel_, layer.inputs_),
          scratch(memory) {
        size_t tile_columns = 0;
        for (const SparseTiles& group : layer.groups_) tile_columns = std::max(tile_columns, group.tile_columns());
        const auto batch = static_cast<size_t>(run.batch);
        chunks = divide_up(batch, divide_up(kPixelsAtOnce, geometry.out_plane()));
        max_vectors = panel_vectors(kernels, tile_columns);
        const size_t max_pixels = kernels.lanes * max_vectors;
        const size_t pieces = geometry.taps() * ConvolutionGeometry::max_pieces(max_pixels, kernels.lanes);

        copy = scratch.take<float>(geometry.in_place() ? 0 : divide_up(batch, chunks) * geometry.image_pitch());
        workers = scratch.take<Worker>(worker_count);
        for (size_t i = 0; i < worker_count; ++i) {
            const Worker worker{scratch.take<float>(tile_columns * max_pixels),
                                scratch.take<float>(layer.groups_[0].rows() * max_pixels), scratch.take<Piece>(pieces),
                                scratch.take<uint32_t>(geometry.taps() + 1), scratch.take<Segment>(max_pixels)};
            if (memory) workers[i] = worker;
        }
    }

    const PanelKernels& kernels;
    ConvolutionGeometry geometry;
    ScratchCut scratch;
    size_t max_vectors;  // a block of pixels has so many vectors at most
    size_t chunks;       // the images are cut into so many parts, one after the other
    float* copy;
    Worker* workers;
};

PanelConvolution::PanelConvolution(const SparseRows& weight, const Spatial& kernel, const ConvolutionParams& params,
                                   const PanelKernels& kernels)
    : kernel_(kernel),
      params_(params),
      kernels_(kernels),
      inputs_(static_cast<int64_t>(weight.columns) / product(kernel) * params.groups),
      outputs_(static_cast<int64_t>(weight.rows)) {
    const auto group_count = static_cast<size_t>(params.groups);
    const size_t rows = weight.rows / group_count;
    groups_.reserve(group_count);
    for (size_t group = 0; group < group_count; ++group) groups_.emplace_back(weight, group * rows, rows, kVectors);
}

size_t PanelConvolution::scratch_nbytes(const ConvolutionRun& run, size_t workers) const {
    return is_empty(run) ? 0 : Plan(*this, run, nullptr, workers).scratch.nbytes();
}

void PanelConvolution::run(const ConvolutionRun& run, void* scratch, Executor& executor) const {
    if (is_empty(run)) return;
    const Plan plan(*this, run, scratch, executor.workers());
    for (size_t chunk = 0; chunk < plan.chunks; ++chunk) {
        run_images(run, plan, part_of(static_cast<size_t>(run.batch), plan.chunks, chunk), executor);
    }
}

// The inputs of the images: x itself or, in parallel, the copies of its planes.
const float* PanelConvolution::prepare_inputs(const ConvolutionRun& run, const Plan& plan, Range images,
                                              Executor& executor) const {
    const size_t planes = (images.end - images.begin) * static_cast<size_t>(inputs_);
    const size_t in_plane = static_cast<size_t>(product(run.in_size));
    const float* x = run.x + images.begin * static_cast<size_t>(inputs_) * in_plane;
    if (plan.geometry.in_place()) return x;
    const size_t tasks = executor.workers();
    executor.parallel_for(tasks, [&](size_t task) {
        const Range part = part_of(planes, tasks, task);
        for (size_t plane = part.begin; plane < part.end; ++plane) {
            plan.geometry.copy_plane(x + plane * in_plane, 0.0f, plan.copy + plane * plan.geometry.channel_pitch());
        }
    });
    return plan.copy;
}

void PanelConvolution::run_images(const ConvolutionRun& run, const Plan& plan, Range images, Executor& executor) const {
    const float* source = prepare_inputs(run, plan, images, executor);
    const LaneBlocks blocks((images.end - images.begin) * plan.geometry.out_plane(), plan.max_vectors,
                            plan.kernels.lanes);
    const size_t bands = groups_[0].bands();
    const size_t units = blocks.count * groups_.size() * bands;
    const size_t tasks = executor.workers();
    executor.parallel_for(tasks, [&](size_t task) {
        // A unit is one band of one group at one block of pixels; the bands that fall to one worker share its panels.
        const Range part = part_of(units, tasks, task);
        const Worker& worker = plan.workers[task];
        size_t described = blocks.count;  // the block whose pieces the worker has
        for (size_t unit = part.begin; unit < part.end;) {
            const size_t block = unit / bands / groups_.size(), group = unit / bands % groups_.size();
            const size_t first_band = unit % bands, last_band = std::min(bands, first_band + part.end - unit);
            const Range pixels = blocks[block];
            if (block != described)
                plan.geometry.write_pieces(pixels.begin, pixels.end, plan.kernels.lanes, worker.pieces, worker.starts);
            described = block;
            run_block(run, plan, source, images.begin, pixels, group, {first_band, last_band}, worker);
            unit += last_band - first_band;
        }
    });
}

// Computes some bands of one group's outputs at the pixels that the worker has the pieces of.
void PanelConvolution::run_block(const ConvolutionRun& run, const Plan& plan, const float* source, size_t first_image,
                                 Range pixels, size_t group, Range bands, const Worker& worker) const {
    const SparseTiles& tiles = groups_[group];
    const size_t vectors = divide_up(pixels.end - pixels.begin, plan.kernels.lanes),
                 pitch = vectors * plan.kernels.lanes;
    const size_t first_row = tiles.first_row_of_band(bands.begin),
                 rows = tiles.first_row_of_band(bands.end) - first_row;
    const size_t first_output = group * tiles.rows() + first_row;

    float* sums = worker.sums + first_row * pitch;
    for (size_t row = 0; row < rows; ++row)
        std::fill(sums + row * pitch, sums + (row + 1) * pitch, run.bias ? run.bias[first_output + row] : 0.0f);

    const size_t out_plane = plan.geometry.out_plane(), image_stride = static_cast<size_t>(outputs_) * out_plane;
    const size_t output_segments = write_output_segments(pixels, out_plane, image_stride, worker.output);
    const auto first = static_cast<ptrdiff_t>(first_image * image_stride + first_output * out_plane);
    const PanelOutput output{first, rows, out_plane, worker.output, output_segments};
    prefetch_residual(run.epilogue, output);

    const float* inputs =
        source + group * (static_cast<size_t>(inputs_) / groups_.size()) * plan.geometry.channel_pitch();
    for (size_t tile = 0; tile < tiles.tiles(); ++tile) {
        const size_t first_column = tile * tiles.tile_columns();
        fill_panel(plan, inputs, {first_column, std::min(first_column + tiles.tile_columns(), tiles.columns())}, worker,
                   pitch);
        for (size_t band = bands.begin; band < bands.end; ++band)
            plan.kernels.multiply[vectors](tiles.block(tile, band), worker.panel,
                                           worker.sums + tiles.first_row_of_band(band) * pitch);
    }

    finish_panel(run.epilogue, isa(), output, sums, pitch);
    plan.kernels.scatter(sums, pitch, rows, worker.output, output_segments, run.y + first, out_plane);
}

// Brings the inputs of some columns [input channel, tap] of the weight together.
void PanelConvolution::fill_panel(const Plan& plan, const float* inputs, Range columns, const Worker& worker,
                                  size_t pitch) const {
    const size_t taps = plan.geometry.taps(), channel_pitch = plan.geometry.channel_pitch();
    const size_t at_once = channel_pitch % kConflictFloats == 0 ? kConflictChannels : columns.end - columns.begin;
    for (size_t channel = columns.begin / taps; channel * taps < columns.end; channel += at_once) {
        for (size_t tap = 0; tap < taps; ++tap) {
            // The channels whose column of this tap is among the wanted ones.
            const size_t first = std::max(channel, (columns.begin + taps - 1 - tap) / taps),
                         last = std::min(channel + at_once, (columns.end + taps - 1 - tap) / taps);
            if (first >= last) continue;
            plan.kernels.gather(inputs + first * channel_pitch, channel_pitch, last - first,
                                worker.pieces + worker.starts[tap], worker.starts[tap + 1] - worker.starts[tap],
                                worker.panel + (first * taps + tap - columns.begin) * pitch, taps * pitch);
        }
    }
}

}  // namespace onnxdc
