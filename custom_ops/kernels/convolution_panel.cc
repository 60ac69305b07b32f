#include "kernels/convolution_panel.h"

#include <algorithm>

#include "kernels/scratch.h"

namespace onnxdc {
namespace {

// Planes are put together until they have this many pixels: enough to fill the vectors of several blocks, few enough
// for the copies of the inputs to stay in a cache.
constexpr size_t kPixelsAtOnce = 1024;

}  // namespace

// The arrays of one worker.
struct PanelConvolution::Worker {
    float* panel;  // [tile_columns, pixels of a block], and slack
    float* sums;   // [outputs of a group, pixels of a block]
    Segment* input;
    Segment* output;
};

// All that follows from the sizes of a run, and the cut of its scratch memory.
struct PanelConvolution::Plan {
    Plan(const PanelConvolution& layer, const ConvolutionRun& run, void* memory, size_t worker_count)
        : geometry(run, layer.params_, layer.kernel_, layer.inputs_), scratch(memory) {
        size_t tile_columns = 0;
        for (const SparseTiles& group : layer.groups_) tile_columns = std::max(tile_columns, group.tile_columns());
        const size_t lanes = layer.kernels_.lanes;
        max_pixels = lanes * panel_vectors(tile_columns, lanes);
        const auto batch = static_cast<size_t>(run.batch);
        chunks = divide_up(batch, divide_up(kPixelsAtOnce, geometry.out_plane()));
        panel_floats = tile_columns * max_pixels + kPanelSlack;

        offsets = scratch.take<ptrdiff_t>(layer.groups_[0].columns());
        copy = scratch.take<float>(geometry.in_place() ? 0 : divide_up(batch, chunks) * geometry.image_pitch());
        workers = scratch.take<Worker>(worker_count);
        for (size_t i = 0; i < worker_count; ++i) {
            const Worker worker{scratch.take<float>(panel_floats),
                                scratch.take<float>(layer.groups_[0].rows() * max_pixels),
                                scratch.take<Segment>(max_pixels), scratch.take<Segment>(max_pixels)};
            if (memory) workers[i] = worker;
        }
    }

    ConvolutionGeometry geometry;
    ScratchCut scratch;
    size_t max_pixels;  // of a block
    size_t chunks;      // of images
    size_t panel_floats;
    ptrdiff_t* offsets;
    float* copy;
    Worker* workers;
};

// The blocks that the pixels of some images fall into.
struct PanelConvolution::Blocks {
    Blocks(size_t pixels, size_t max_pixels, size_t lanes)
        : pixels(pixels),
          count(divide_up(pixels, max_pixels)),
          block(divide_up(divide_up(pixels, count), lanes) * lanes) {
        count = divide_up(pixels, block);
    }

    size_t pixels, count, block;
};

PanelConvolution::PanelConvolution(const SparseRows& weight, const Spatial& kernel, const ConvolutionParams& params,
                                   const PanelKernels& kernels)
    : kernel_(kernel),
      params_(params),
      kernels_(kernels),
      inputs_(static_cast<int64_t>(weight.columns) / (kernel[0] * kernel[1] * kernel[2]) * params.groups),
      outputs_(static_cast<int64_t>(weight.rows)) {
    const auto group_count = static_cast<size_t>(params.groups);
    const size_t rows = weight.rows / group_count;
    groups_.reserve(group_count);
    for (size_t group = 0; group < group_count; ++group) groups_.emplace_back(weight, group * rows, rows);
}

size_t PanelConvolution::scratch_nbytes(const ConvolutionRun& run, size_t workers) const {
    return is_empty(run) ? 0 : Plan(*this, run, nullptr, workers).scratch.nbytes();
}

void PanelConvolution::run(const ConvolutionRun& run, void* scratch, Executor& executor) const {
    if (is_empty(run)) return;
    const Plan plan(*this, run, scratch, executor.workers());
    plan.geometry.write_offsets(groups_[0].columns(), plan.offsets);
    for (size_t chunk = 0; chunk < plan.chunks; ++chunk) {
        run_images(run, plan, share(static_cast<size_t>(run.batch), plan.chunks, chunk), executor);
    }
}

// The inputs of the images: x itself or, in parallel, the copies of its planes.
const float* PanelConvolution::prepare_inputs(const ConvolutionRun& run, const Plan& plan, Share images,
                                              Executor& executor) const {
    const size_t planes = (images.end - images.begin) * static_cast<size_t>(inputs_);
    const size_t in_plane = static_cast<size_t>(run.in_size[0] * run.in_size[1] * run.in_size[2]);
    const float* x = run.x + images.begin * static_cast<size_t>(inputs_) * in_plane;
    if (plan.geometry.in_place()) return x;
    const size_t tasks = executor.workers();
    executor.parallel_for(tasks, [&](size_t task) {
        const Share part = share(planes, tasks, task);
        for (size_t plane = part.begin; plane < part.end; ++plane) {
            plan.geometry.copy_plane(x + plane * in_plane, plan.copy + plane * plan.geometry.channel_pitch());
        }
    });
    return plan.copy;
}

void PanelConvolution::run_images(const ConvolutionRun& run, const Plan& plan, Share images, Executor& executor) const {
    const float* source = prepare_inputs(run, plan, images, executor);
    const Blocks blocks((images.end - images.begin) * plan.geometry.out_plane(), plan.max_pixels, kernels_.lanes);
    const size_t bands = groups_[0].bands();
    const size_t units = groups_.size() * blocks.count * bands;
    const size_t tasks = executor.workers();
    executor.parallel_for(tasks, [&](size_t task) {
        // A unit is one band of one block; the bands of a block that fall to one worker share its panels.
        const Share part = share(units, tasks, task);
        if (part.begin == part.end) return;
        // Lanes without a pixel must not hold numbers that are slow to compute with.
        std::fill_n(plan.workers[task].panel, plan.panel_floats, 0.0f);
        for (size_t unit = part.begin; unit < part.end;) {
            const size_t first_band = unit % bands, last_band = std::min(bands, first_band + part.end - unit);
            run_block(run, plan, source, images.begin, blocks, unit / bands, {first_band, last_band},
                      plan.workers[task]);
            unit += last_band - first_band;
        }
    });
}

// Computes some bands of one group's outputs at the pixels of one block.
void PanelConvolution::run_block(const ConvolutionRun& run, const Plan& plan, const float* source, size_t first_image,
                                 const Blocks& blocks, size_t group_and_block, Share bands,
                                 const Worker& worker) const {
    const size_t group = group_and_block / blocks.count, block = group_and_block % blocks.count;
    const SparseTiles& tiles = groups_[group];
    const size_t begin = block * blocks.block, end = std::min(blocks.pixels, begin + blocks.block);
    const size_t vectors = divide_up(end - begin, kernels_.lanes), pitch = vectors * kernels_.lanes;
    const size_t first_row = tiles.first_row_of_band(bands.begin),
                 rows = tiles.first_row_of_band(bands.end) - first_row;
    const size_t first_output = group * tiles.rows() + first_row;

    float* sums = worker.sums + first_row * pitch;
    for (size_t row = 0; row < rows; ++row)
        std::fill(sums + row * pitch, sums + (row + 1) * pitch, run.bias ? run.bias[first_output + row] : 0.0f);

    const float* inputs =
        source + group * (static_cast<size_t>(inputs_) / groups_.size()) * plan.geometry.channel_pitch();
    const size_t input_segments = plan.geometry.write_input_segments(begin, end, worker.input);
    for (size_t tile = 0; tile < tiles.tiles(); ++tile) {
        const size_t first_column = tile * tiles.tile_columns();
        const size_t columns = std::min(tiles.tile_columns(), tiles.columns() - first_column);
        kernels_.gather(inputs, plan.offsets + first_column, columns, worker.input, input_segments, worker.panel,
                        pitch);
        for (size_t band = bands.begin; band < bands.end; ++band)
            kernels_.multiply[vectors](tiles.block(tile, band), worker.panel, worker.sums);
    }

    const size_t out_plane = plan.geometry.out_plane(), image_stride = static_cast<size_t>(outputs_) * out_plane;
    const size_t output_segments = plan.geometry.write_output_segments(begin, end, image_stride, worker.output);
    float* y = run.y + first_image * image_stride + first_output * out_plane;
    kernels_.scatter(sums, pitch, rows, worker.output, output_segments, y, out_plane);
}

}  // namespace onnxdc
