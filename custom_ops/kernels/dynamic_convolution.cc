#include "kernels/dynamic_convolution.h"

#include <algorithm>
#include <utility>

#include "kernels/panel_epilogue.h"

namespace onnxdc {
namespace {

// Planes are put together until they have this many pixels, as those of floats are.
constexpr size_t kPixelsAtOnce = 1024;
// What one copy may read beyond the bytes of the images.
constexpr size_t kSlack = 64;

}  // namespace

struct DynamicConvolution::Worker {
    ByteWorker bytes;
    uint8_t* plane;    // [in_plane]
    Segment* inputs;   // [lanes]
    Segment* output;   // [lanes]
    int64_t* places;   // [taps, lanes], where images are not copied
    int64_t* offsets;  // [taps], where they are
};

// All that follows from the sizes of a run, and the cut of its scratch memory.
struct DynamicConvolution::Plan {
    Plan(const DynamicConvolution& layer, const ConvolutionRun& run, void* memory, size_t worker_count)
        : geometry(run, layer.params_, layer.kernel_, layer.inputs_, ConvolutionGeometry::Copies::kAlways),
          scratch(memory),
          in_plane(static_cast<size_t>(product(run.in_size))),
          copies(!geometry.in_place()) {
        const auto batch = static_cast<size_t>(run.batch), inputs = static_cast<size_t>(layer.inputs_);
        const size_t lanes = layer.quads_.wide.lanes, taps = geometry.taps();
        chunks = divide_up(batch, divide_up(kPixelsAtOnce, geometry.out_plane()));
        const size_t at_once = divide_up(batch, chunks);
        ranges = scratch.take<InputRange>(at_once);
        extremes = scratch.take<Extremes>(at_once * range_parts(inputs * in_plane));
        bytes = scratch.take<uint8_t>(at_once * geometry.image_pitch() + kSlack);
        workers = scratch.take<Worker>(worker_count);
        for (size_t i = 0; i < worker_count; ++i) {
            const Worker worker{ByteWorker(layer.quads_, layer.groups_[0].columns(), &scratch),
                                scratch.take<uint8_t>(in_plane),
                                scratch.take<Segment>(lanes),
                                scratch.take<Segment>(lanes),
                                scratch.take<int64_t>(copies ? 0 : taps * lanes),
                                scratch.take<int64_t>(copies ? taps : 0)};
            if (memory) workers[i] = worker;
        }
    }

    ConvolutionGeometry geometry;
    ScratchCut scratch;
    size_t in_plane;
    bool copies;         // whether padding is written out; else inputs are looked up one by one
    size_t chunks;       // the images are cut into so many parts, one after the other
    InputRange* ranges;  // of the images at hand
    Extremes* extremes;  // of their parts
    uint8_t* bytes;      // [images, image_pitch]
    Worker* workers;
};

DynamicConvolution::DynamicConvolution(IntegerRows weight, const Spatial& kernel, const ConvolutionParams& params,
                                       const QuadKernels& quads, const ByteKernels& bytes, const PanelKernels& floats,
                                       Isa isa)
    : kernel_(kernel),
      params_(params),
      quads_(quads),
      bytes_(bytes),
      floats_(floats),
      isa_(isa),
      inputs_(static_cast<int64_t>(weight.columns) / product(kernel) * params.groups),
      outputs_(static_cast<int64_t>(weight.rows)) {
    const auto group_count = static_cast<size_t>(params.groups);
    const size_t rows = weight.rows / group_count;
    groups_.reserve(group_count);
    for (size_t group = 0; group < group_count; ++group) groups_.emplace_back(weight, group * rows, rows);
    scale_ = std::move(weight.scale);
    sum_ = std::move(weight.sum);
}

size_t DynamicConvolution::scratch_nbytes(const ConvolutionRun& run, size_t workers) const {
    return is_empty(run) ? 0 : Plan(*this, run, nullptr, workers).scratch.nbytes();
}

void DynamicConvolution::run(const ConvolutionRun& run, void* scratch, Executor& executor) const {
    if (is_empty(run)) return;
    const Plan plan(*this, run, scratch, executor.workers());
    for (size_t chunk = 0; chunk < plan.chunks; ++chunk)
        run_images(run, plan, part_of(static_cast<size_t>(run.batch), plan.chunks, chunk), executor);
}

// The ranges of the images, then their bytes, both in parallel.
void DynamicConvolution::round_images(const ConvolutionRun& run, const Plan& plan, Range images,
                                      Executor& executor) const {
    const auto inputs = static_cast<size_t>(inputs_);
    const size_t tasks = executor.workers(), count = images.end - images.begin, planes = count * inputs;
    const float* x = run.x + images.begin * inputs * plan.in_plane;
    find_ranges(bytes_, {x, count, inputs * plan.in_plane}, plan.extremes, plan.ranges, executor);
    executor.parallel_for(tasks, [&](size_t task) {
        const Range part = part_of(planes, tasks, task);
        for (size_t plane = part.begin; plane < part.end; ++plane) {
            const InputRange& range = plan.ranges[plane / inputs];
            uint8_t* to = plan.bytes + plane * plan.geometry.channel_pitch();
            const bool direct = !plan.copies || plan.geometry.copies_are_planes();
            uint8_t* rounded = direct ? to : plan.workers[task].plane;
            if (range.inverse > 0.0f) {
                bytes_.round(x + plane * plan.in_plane, plan.in_plane, range.inverse, range.zero, rounded);
            } else {
                std::fill_n(rounded, plan.in_plane, uint8_t{0});
            }
            if (!direct) plan.geometry.copy_plane(rounded, static_cast<uint8_t>(range.zero), to);
        }
    });
}

void DynamicConvolution::run_images(const ConvolutionRun& run, const Plan& plan, Range images,
                                    Executor& executor) const {
    round_images(run, plan, images, executor);
    const ByteBlocks blocks(quads_, (images.end - images.begin) * plan.geometry.out_plane());
    const size_t bands = groups_[0].bands(), units = blocks.count() * groups_.size() * bands;
    const size_t tasks = executor.workers();
    executor.parallel_for(tasks, [&](size_t task) {
        // A unit is one band of one group at one block of pixels; the bands that fall to one worker share its panel.
        const Range part = part_of(units, tasks, task);
        const Worker& worker = plan.workers[task];
        size_t described = blocks.count();  // the block that the worker has described
        for (size_t unit = part.begin; unit < part.end;) {
            const size_t block = unit / bands / groups_.size(), group = unit / bands % groups_.size();
            const size_t first_band = unit % bands, last_band = std::min(bands, first_band + part.end - unit);
            const Range pixels = blocks.positions(block);
            const BytePanelKernels& kernels = blocks.kernels(block);
            const size_t count = pixels.end - pixels.begin;
            for (size_t lane = 0; block != described && lane < count; ++lane)
                worker.bytes.set_lane(lane, plan.ranges[(pixels.begin + lane) / plan.geometry.out_plane()]);
            worker.bytes.clear_lanes(count, kernels.lanes);
            for (size_t tap = 0; block != described && tap < plan.geometry.taps(); ++tap) {
                if (plan.copies) {
                    worker.offsets[tap] = plan.geometry.tap_offset(tap);
                } else {
                    plan.geometry.write_places(pixels.begin, pixels.end, tap, worker.places + tap * kernels.lanes);
                }
            }
            described = block;
            fill_panel(plan, pixels, group, kernels.lanes, worker);
            run_bands(run, plan, images.begin, pixels, group, {first_band, last_band}, kernels, worker);
            unit += last_band - first_band;
        }
    });
}

// Brings the inputs of all columns [input channel, tap] of a group together.
void DynamicConvolution::fill_panel(const Plan& plan, Range pixels, size_t group, size_t lanes,
                                    const Worker& worker) const {
    const size_t taps = plan.geometry.taps(), pitch = plan.geometry.channel_pitch(), count = pixels.end - pixels.begin,
                 channels = static_cast<size_t>(inputs_) / groups_.size();
    const uint8_t* bytes = plan.bytes + group * channels * pitch;
    uint8_t* to = worker.bytes.panel;
    if (count < lanes) std::fill_n(to, channels * taps * lanes, uint8_t{0});
    if (!plan.copies) {
        for (size_t column = 0; column < channels * taps; ++column, to += lanes) {
            const uint8_t* from = bytes + column / taps * pitch;
            const int64_t* places = worker.places + column % taps * lanes;
            for (size_t lane = 0; lane < count; ++lane)
                to[lane] = places[lane] < 0 ? static_cast<uint8_t>(worker.bytes.zero[lane]) : from[places[lane]];
        }
        return;
    }
    const size_t segments = plan.geometry.write_input_segments(pixels.begin, pixels.end, worker.inputs);
    quads_.gather(bytes, pitch, channels, worker.offsets, taps, worker.inputs, segments, to, lanes);
}

// Computes some bands of one group's outputs at the pixels whose panel the worker has.
void DynamicConvolution::run_bands(const ConvolutionRun& run, const Plan& plan, size_t first_image, Range pixels,
                                   size_t group, Range bands, const BytePanelKernels& kernels,
                                   const Worker& worker) const {
    const QuadTiles& tiles = groups_[group];
    const size_t out_plane = plan.geometry.out_plane(), image_stride = static_cast<size_t>(outputs_) * out_plane,
                 first_of_group = group * tiles.rows();
    const ByteRows rows{sum_.data() + first_of_group, scale_.data() + first_of_group,
                        run.bias ? run.bias + first_of_group : nullptr, 1.0f};
    const size_t segments = write_output_segments(pixels, out_plane, image_stride, worker.output);
    for (size_t band = bands.begin; band < bands.end; ++band) {
        const size_t first_row = tiles.first_row_of_band(band), count = tiles.first_row_of_band(band + 1) - first_row;
        const auto first =
            static_cast<ptrdiff_t>(first_image * image_stride + (first_of_group + first_row) * out_plane);
        const PanelOutput output{first, count, out_plane, worker.output, segments};
        prefetch_residual(run.epilogue, output);
        multiply_band(tiles, band, kernels, worker.bytes, rows);
        finish_panel(run.epilogue, isa_, output, worker.bytes.outputs, kernels.lanes);
        floats_.scatter(worker.bytes.outputs, kernels.lanes, count, worker.output, segments, run.y + first, out_plane);
    }
}

}  // namespace onnxdc
