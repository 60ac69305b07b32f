#include "kernels/dynamic_lane_convolution.h"

#include <algorithm>
#include <cstring>

#include "kernels/panel_epilogue.h"
#include "kernels/scratch.h"

namespace onnxdc {
namespace {

// Images are put together until they have this many pixels, as those of floats are.
constexpr size_t kPixelsAtOnce = 1024;
// So many floats are looked at in one task, at least: a call takes as long as some hundred.
constexpr size_t kFloatsAtOnce = 4096;
// A quarter of a second cache of a megabyte.
constexpr size_t kChunkBytes = 262144;
// Where outputs go is fetched for some blocks of pixels together: a line of a cache that comes alone, with each from
// another plane, takes four times as long as one that comes with its neighbours.
constexpr size_t kBlocksAtOnce = 4;
// Floats from row to row of a band's outputs.
constexpr size_t kOutputPitch = kBlocksAtOnce * PixelKernels::kMaxPixels;

}  // namespace

struct DynamicLaneConvolution::Worker {
    int32_t* sums;     // [block of rows, pixel, lane] of a band
    float* outputs;    // [row of a band, kOutputPitch], of other activations
    uint8_t* windows;  // [pixel, spans], where they are gathered
};

// All that follows from the sizes of a run, and the cut of its scratch memory.
struct DynamicLaneConvolution::Plan {
    Plan(const DynamicLaneConvolution& layer, const ConvolutionRun& run, void* memory, size_t worker_count)
        : planes(run, layer.params_, layer.kernel_, layer.spans_),
          cut(run.out_size, planes.output_steps(), PixelKernels::kMaxPixels),
          scratch(memory),
          image_size(static_cast<size_t>(layer.inputs() * product(run.in_size))),
          out_plane(static_cast<size_t>(product(run.out_size))) {
        const auto batch = static_cast<size_t>(run.batch);
        chunks = divide_up(batch, divide_up(kPixelsAtOnce, out_plane));
        const size_t at_once = divide_up(batch, chunks);
        parts = divide_up(image_size, kFloatsAtOnce);
        ranges = scratch.take<InputRange>(at_once);
        extremes = scratch.take<Extremes>(at_once * parts);
        bytes = scratch.take<uint8_t>(at_once * layer.groups_.size() * planes.nbytes() + WindowLanes::kOverread);
        blocks = scratch.take<PixelBlock>(cut.count());
        starts = scratch.take<uint32_t>(layer.spans_.count);
        bases = scratch.take<uint32_t>(layer.steps());
        bias = scratch.take<float>(layer.row_.size());
        workers = scratch.take<Worker>(worker_count);
        const size_t windows = PixelKernels::kMaxPixels * layer.spans_.nbytes() + WindowLanes::kOverread;
        for (size_t i = 0; i < worker_count; ++i) {
            const Worker worker{scratch.take<int32_t>(WindowLanes::kBandRows * PixelKernels::kMaxPixels),
                                scratch.take<float>(WindowLanes::kBandRows * kOutputPitch),
                                scratch.take<uint8_t>(planes.is_gathered() ? windows : 0)};
            if (memory) workers[i] = worker;
        }
    }

    PixelPlanes planes;
    PixelBlocks cut;
    ScratchCut scratch;
    size_t image_size, out_plane;
    size_t chunks;       // the images are cut into so many parts, one after the other
    size_t parts;        // of an image, whose extremes are found one by one
    InputRange* ranges;  // of the images at hand
    Extremes* extremes;  // [images, parts]
    uint8_t* bytes;      // [images, groups, planes.nbytes()]
    PixelBlock* blocks;  // of an image
    uint32_t* starts;    // of spans
    uint32_t* bases;     // of the windows of all groups, counted from the first input of an output
    float* bias;         // as DynamicLaneConvolution::sum_
    Worker* workers;
};

DynamicLaneConvolution::DynamicLaneConvolution(const IntegerRows& weight, const Spatial& kernel,
                                               const ConvolutionParams& params, const LaneKernels& lanes,
                                               const ByteKernels& bytes, Isa isa)
    : kernel_(kernel),
      params_(params),
      spans_(kernel, params.dilations, weight.columns / static_cast<size_t>(product(kernel))),
      lanes_(lanes),
      bytes_(bytes),
      pixels_(*pixel_kernels(isa)),
      floats_(*panel_kernels(isa)),
      isa_(isa) {
    const auto group_count = static_cast<size_t>(params.groups);
    const size_t rows = weight.rows / group_count;
    groups_.reserve(group_count);
    for (size_t group = 0; group < group_count; ++group) {
        groups_.emplace_back(spans_.rows_of(weight, group * rows, rows), 0, rows, size_t{1} << spans_.shift,
                             spans_.count);
        first_step_.push_back(first_step_.back() + groups_.back().steps());
    }
    const size_t bands = groups_[0].bands(), places = group_count * bands * WindowLanes::kBandRows;
    chunk_bands_ = std::clamp<size_t>(kChunkBytes * bands * group_count / (steps() * sizeof(LaneStep) + 1), 1, bands);
    sum_.assign(places, 0);
    scale_.assign(places, 0.0f);
    row_.assign(places, 0);
    for (size_t row = 0; row < weight.rows; ++row) {
        const size_t group = row / rows, band = row % rows / WindowLanes::kBandRows;
        const size_t in_band = row % rows % WindowLanes::kBandRows;
        const size_t place = (group * bands + band) * WindowLanes::kBandRows + groups_[group].places(band)[in_band];
        sum_[place] = weight.sum[row];
        scale_[place] = weight.scale[row];
        row_[place] = static_cast<uint32_t>(in_band);
    }
}

size_t DynamicLaneConvolution::scratch_nbytes(const ConvolutionRun& run, size_t workers) const {
    return is_empty(run) ? 0 : Plan(*this, run, nullptr, workers).scratch.nbytes();
}

void DynamicLaneConvolution::run(const ConvolutionRun& run, void* scratch, Executor& executor) const {
    if (is_empty(run)) return;
    const Plan plan(*this, run, scratch, executor.workers());
    prepare(run, plan);
    for (size_t chunk = 0; chunk < plan.chunks; ++chunk)
        run_images(run, plan, part_of(static_cast<size_t>(run.batch), plan.chunks, chunk), executor);
}

// What all images have in common: where blocks and windows are, and the bias.
void DynamicLaneConvolution::prepare(const ConvolutionRun& run, const Plan& plan) const {
    plan.cut.write(plan.blocks);
    plan.planes.write_starts(plan.starts);
    uint32_t* bases = plan.bases;
    for (const WindowLanes& group : groups_) {
        pixels_.move_bases(group.bases(), group.steps(), plan.starts, spans_.shift, bases);
        bases += group.steps();
    }
    const size_t bands = groups_[0].bands(), rows = groups_[0].rows();
    for (size_t band = 0; band < groups_.size() * bands; ++band) {
        const float* bias = run.bias ? run.bias + band / bands * rows + band % bands * WindowLanes::kBandRows : nullptr;
        const size_t first = band * WindowLanes::kBandRows;
        for (size_t place = first; place < first + WindowLanes::kBandRows; ++place)
            plan.bias[place] = bias ? bias[row_[place]] : 0.0f;
    }
}

void DynamicLaneConvolution::find_ranges(const Plan& plan, const float* x, size_t count, Executor& executor) const {
    const size_t tasks = executor.workers();
    executor.parallel_for(tasks, [&](size_t task) {
        const Range own = part_of(count * plan.parts, tasks, task);
        for (size_t i = own.begin; i < own.end; ++i) {
            const Range part = part_of(plan.image_size, plan.parts, i % plan.parts);
            plan.extremes[i] =
                bytes_.extremes(x + i / plan.parts * plan.image_size + part.begin, part.end - part.begin);
        }
    });
    const Extremes* each = plan.extremes;
    for (size_t image = 0; image < count; ++image) {
        Extremes all{0.0f, 0.0f, true};
        for (size_t part = 0; part < plan.parts; ++part, ++each)
            all = {std::min(all.low, each->low), std::max(all.high, each->high), all.finite && each->finite};
        plan.ranges[image] = all.finite ? input_range(all.low, all.high) : no_range();
    }
}

void DynamicLaneConvolution::round_images(const Plan& plan, const float* x, size_t count, Executor& executor) const {
    const size_t tasks = executor.workers(), pieces = plan.planes.pieces();
    const size_t in_plane = plan.image_size / static_cast<size_t>(inputs());
    executor.parallel_for(tasks, [&](size_t task) {
        const Range own = part_of(count * groups_.size() * pieces, tasks, task);
        for (size_t i = own.begin; i < own.end; ++i) {
            const size_t plane = i / pieces;
            const InputRange& range = plan.ranges[plane / groups_.size()];
            uint8_t* bytes = plan.bytes + plane * plan.planes.nbytes();
            const float* channels = x + plane * spans_.channels * in_plane;
            const auto fill = [&](size_t to, size_t nbytes) { std::memset(bytes + to, range.zero, nbytes); };
            plan.planes.write_piece(i % pieces, fill, [&](size_t to, size_t from, size_t step, size_t pixels) {
                if (range.inverse > 0.0f) {
                    pixels_.round({channels + from, in_plane, step, pixels, spans_.channels}, range.inverse, range.zero,
                                  bytes + to, spans_.channels);
                } else {
                    fill(to, pixels * spans_.channels);
                }
            });
        }
    });
}

void DynamicLaneConvolution::run_images(const ConvolutionRun& run, const Plan& plan, Range images,
                                        Executor& executor) const {
    const size_t count = images.end - images.begin;
    const float* x = run.x + images.begin * plan.image_size;
    find_ranges(plan, x, count, executor);
    round_images(plan, x, count, executor);
    // A unit is one band of one group at some blocks of pixels. All pixels meet a chunk of bands before the next one.
    const size_t bands = groups_[0].bands(), chunks = divide_up(bands, chunk_bands_);
    const size_t parts = divide_up(plan.cut.count(), kBlocksAtOnce);
    const size_t units = groups_.size() * chunks * count * parts * chunk_bands_, tasks = executor.workers();
    executor.parallel_for(tasks, [&](size_t task) {
        const Range own = part_of(units, tasks, task);
        for (size_t unit = own.begin; unit < own.end; ++unit) {
            const size_t place = unit / chunk_bands_, chunk = place / parts / count;
            const size_t band = chunk % chunks * chunk_bands_ + unit % chunk_bands_;
            if (band >= bands) continue;
            run_band(run, plan, chunk / chunks, band, {images.begin, place / parts % count},
                     part_of(plan.cut.count(), parts, place % parts), plan.workers[task]);
        }
    });
}

// Computes one band of one group's outputs at some blocks of pixels of one image.
void DynamicLaneConvolution::run_band(const ConvolutionRun& run, const Plan& plan, size_t group, size_t band,
                                      const Image& image, Range blocks, const Worker& worker) const {
    const WindowLanes& lanes = groups_[group];
    const InputRange& range = plan.ranges[image.index];
    const uint8_t* plane = plan.bytes + (image.index * groups_.size() + group) * plan.planes.nbytes();
    const size_t first_row = lanes.first_row_of_band(band), rows = lanes.first_row_of_band(band + 1) - first_row;
    const size_t first_place = (group * lanes.bands() + band) * WindowLanes::kBandRows;
    const PixelBand of_rows{sum_.data() + first_place, scale_.data() + first_place, plan.bias + first_place,
                            row_.data() + first_place, rows};
    LaneBand steps = lanes.band(0, band);
    steps.base = plan.bases + first_step_[group];
    const size_t first_pixel = plan.blocks[blocks.begin].first, outputs = static_cast<size_t>(this->outputs());
    const size_t first_output = (image.first + image.index) * outputs + group * lanes.rows() + first_row;
    const PixelBlock& last = plan.blocks[blocks.end - 1];
    const Segment segment{0, 0, last.first + last.count - first_pixel};
    const auto first = static_cast<ptrdiff_t>(first_output * plan.out_plane + first_pixel);
    const PanelOutput output{first, rows, plan.out_plane, &segment, 1};
    const OutputLimits limits(run.epilogue);
    prefetch(run.y, output);
    prefetch_residual(run.epilogue, output);
    for (size_t index = blocks.begin; index < blocks.end; ++index) {
        const PixelBlock& block = plan.blocks[index];
        LaneInputs inputs{plane + block.from, plane + block.second, plan.cut.step()};
        if (plan.planes.is_gathered()) {
            plan.planes.gather(plane, block.first, block.count, static_cast<uint8_t>(range.zero), worker.windows);
            inputs.first = worker.windows;
            inputs.second = worker.windows + (block.second - block.from);
        }
        lanes_.multiply[block.count](steps, inputs, false, worker.sums);
        const size_t at = block.first - first_pixel;
        PixelOutput to{run.y + first + at, run.epilogue.residual_at(first + static_cast<ptrdiff_t>(at)), plan.out_plane,
                       limits.low, limits.high};
        if (!limits.are_all) to = {worker.outputs + at, nullptr, kOutputPitch, limits.low, limits.high};
        pixels_.finish(worker.sums, block.count, of_rows, range.zero, range.scale, to);
    }
    if (limits.are_all) return;
    finish_panel(run.epilogue, isa_, output, worker.outputs, kOutputPitch);
    floats_.scatter(worker.outputs, kOutputPitch, rows, &segment, 1, run.y + first, plan.out_plane);
}

}  // namespace onnxdc
