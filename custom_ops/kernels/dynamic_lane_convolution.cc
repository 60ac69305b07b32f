#include "kernels/dynamic_lane_convolution.h"

#include <algorithm>
#include <cstring>

#include "kernels/convolution_geometry.h"
#include "kernels/panel_epilogue.h"
#include "kernels/scratch.h"

namespace onnxdc {
namespace {

// Images are put together until they have this many pixels, as those of floats are.
constexpr size_t kPixelsAtOnce = 1024;
// A quarter of a second cache of a megabyte.
constexpr size_t kChunkBytes = 262144;
// Where outputs go is fetched for some blocks of pixels together: a line of a cache that comes alone, with each from
// another plane, takes four times as long as one that comes with its neighbours.
constexpr size_t kBlocksAtOnce = 4;
// Floats from row to row of a band's outputs.
constexpr size_t kOutputPitch = kBlocksAtOnce * PixelKernels::kMaxPixels;
// The sums of a band at a block of pixels; PixelKernels::finish reads those of kMaxPixels from any of them on.
constexpr size_t kSums = (WindowLanes::kBandRows + WindowLanes::kLanes) * PixelKernels::kMaxPixels;

}  // namespace

struct DynamicLaneConvolution::Worker {
    int32_t* sums;      // [block of rows, pixel, lane] of a band
    float* outputs;     // [row of a band, kOutputPitch], of other activations
    Segment* segments;  // [kOutputPitch], of these pixels
    uint8_t* windows;   // [pixel, spans], where they are gathered
};

// All that follows from the sizes of a run, and the cut of its scratch memory.
struct DynamicLaneConvolution::Plan {
    Plan(const DynamicLaneConvolution& layer, const ConvolutionRun& run, void* memory, size_t worker_count)
        : planes(run, layer.params_, layer.kernel_, layer.spans_),
          out_size(run.out_size),
          scratch(memory),
          image_size(static_cast<size_t>(layer.inputs() * product(run.in_size))),
          out_plane(static_cast<size_t>(product(run.out_size))) {
        const auto batch = static_cast<size_t>(run.batch);
        chunks = divide_up(batch, divide_up(kPixelsAtOnce, out_plane));
        const size_t at_once = divide_up(batch, chunks);
        ranges = scratch.take<InputRange>(at_once);
        extremes = scratch.take<Extremes>(at_once * range_parts(image_size));
        bytes = scratch.take<uint8_t>(at_once * layer.groups_.size() * planes.nbytes() + WindowLanes::kOverread);
        blocks = scratch.take<PixelBlock>(cut(at_once).count());
        starts = scratch.take<uint32_t>(layer.spans_.count);
        bases = scratch.take<uint32_t>(layer.steps());
        bias = scratch.take<float>(layer.row_.size());
        workers = scratch.take<Worker>(worker_count);
        const size_t windows = PixelKernels::kMaxPixels * layer.spans_.nbytes() + WindowLanes::kOverread;
        for (size_t i = 0; i < worker_count; ++i) {
            const Worker worker{
                scratch.take<int32_t>(kSums), scratch.take<float>(WindowLanes::kBandRows * kOutputPitch),
                scratch.take<Segment>(kOutputPitch), scratch.take<uint8_t>(planes.is_gathered() ? windows : 0)};
            if (memory) workers[i] = worker;
        }
    }

    PixelBlocks cut(size_t images) const {
        return PixelBlocks(images, out_size, planes.output_steps(), PixelKernels::kMaxPixels);
    }

    PixelPlanes planes;
    Spatial out_size;
    ScratchCut scratch;
    size_t image_size, out_plane;
    size_t chunks;       // the images are cut into so many parts, one after the other
    InputRange* ranges;  // of the images at hand
    Extremes* extremes;  // of their parts
    uint8_t* bytes;      // [groups, images, planes.nbytes()]
    PixelBlock* blocks;  // of the images at hand
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

// What all images have in common: where windows are, and the bias.
void DynamicLaneConvolution::prepare(const ConvolutionRun& run, const Plan& plan) const {
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

void DynamicLaneConvolution::round_images(const Plan& plan, const float* x, size_t count, Executor& executor) const {
    const size_t tasks = executor.workers(), pieces = plan.planes.pieces();
    const size_t in_plane = plan.image_size / static_cast<size_t>(inputs());
    executor.parallel_for(tasks, [&](size_t task) {
        const Range own = part_of(count * groups_.size() * pieces, tasks, task);
        for (size_t i = own.begin; i < own.end; ++i) {
            const size_t plane = i / pieces, image = plane / groups_.size(), group = plane % groups_.size();
            const InputRange& range = plan.ranges[image];
            uint8_t* bytes = plan.bytes + (group * count + image) * plan.planes.nbytes();
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
    find_ranges(bytes_, {x, count, plan.image_size}, plan.extremes, plan.ranges, executor);
    round_images(plan, x, count, executor);
    // A unit is one band of one group at some blocks of pixels. All pixels meet a chunk of bands before the next one.
    const size_t bands = groups_[0].bands(), chunks = divide_up(bands, chunk_bands_);
    const PixelBlocks blocks = plan.cut(count);
    blocks.write(plan.blocks);
    const size_t parts = divide_up(blocks.count(), kBlocksAtOnce);
    const size_t units = groups_.size() * chunks * parts * chunk_bands_, tasks = executor.workers();
    executor.parallel_for(tasks, [&](size_t task) {
        const Range own = part_of(units, tasks, task);
        for (size_t unit = own.begin; unit < own.end; ++unit) {
            const size_t place = unit / chunk_bands_, chunk = place / parts;
            const size_t band = chunk % chunks * chunk_bands_ + unit % chunk_bands_;
            if (band >= bands) continue;
            run_band(run, plan, images, chunk / chunks, band, part_of(blocks.count(), parts, place % parts),
                     plan.workers[task]);
        }
    });
}

// Computes one band of one group's outputs at some blocks of pixels of the images at hand.
void DynamicLaneConvolution::run_band(const ConvolutionRun& run, const Plan& plan, Range images, size_t group,
                                      size_t band, Range blocks, const Worker& worker) const {
    const WindowLanes& lanes = groups_[group];
    const size_t plane_nbytes = plan.planes.nbytes(), out_plane = plan.out_plane;
    const uint8_t* planes = plan.bytes + group * (images.end - images.begin) * plane_nbytes;
    const size_t first_row = lanes.first_row_of_band(band), rows = lanes.first_row_of_band(band + 1) - first_row;
    const size_t first_place = (group * lanes.bands() + band) * WindowLanes::kBandRows;
    const PixelBand of_rows{sum_.data() + first_place, scale_.data() + first_place, plan.bias + first_place,
                            row_.data() + first_place, rows};
    LaneBand steps = lanes.band(0, band);
    steps.base = plan.bases + first_step_[group];
    const size_t image_stride = static_cast<size_t>(outputs()) * out_plane;
    const auto first =
        static_cast<ptrdiff_t>(images.begin * image_stride + (group * lanes.rows() + first_row) * out_plane);
    const PixelBlock& last = plan.blocks[blocks.end - 1];
    const Range all_pixels{plan.blocks[blocks.begin].first, last.first + last.count};
    const size_t segments = write_output_segments(all_pixels, out_plane, image_stride, worker.segments);
    const PanelOutput output{first, rows, out_plane, worker.segments, segments};
    const OutputLimits limits(run.epilogue);
    prefetch(run.y, output);
    prefetch_residual(run.epilogue, output);
    for (size_t index = blocks.begin; index < blocks.end; ++index) {
        const PixelBlock& block = plan.blocks[index];
        const Range pixels{block.first, block.first + block.count};
        LaneInputs inputs{planes + block.from, planes + block.second, block.step};
        if (plan.planes.is_gathered()) {
            for_each_image(pixels, out_plane, [&](size_t image, size_t pixel, size_t count, size_t at) {
                plan.planes.gather(planes + image * plane_nbytes, pixel, count,
                                   static_cast<uint8_t>(plan.ranges[image].zero), worker.windows + at * block.step);
            });
            inputs.first = worker.windows;
            inputs.second = worker.windows + (block.second - block.from);
        }
        lanes_.multiply[block.count](steps, inputs, false, worker.sums);
        for_each_image(pixels, out_plane, [&](size_t image, size_t pixel, size_t count, size_t at) {
            const InputRange& range = plan.ranges[image];
            const ptrdiff_t place = first + static_cast<ptrdiff_t>(image * image_stride + pixel);
            PixelOutput to{run.y + place, run.epilogue.residual_at(place), out_plane, limits.low, limits.high};
            float* own = worker.outputs + (pixels.begin - all_pixels.begin + at);
            if (!limits.are_all) to = {own, nullptr, kOutputPitch, limits.low, limits.high};
            pixels_.finish(worker.sums + at * WindowLanes::kLanes, block.count, count, of_rows, range.zero, range.scale,
                           to);
        });
    }
    if (limits.are_all) return;
    finish_panel(run.epilogue, isa_, output, worker.outputs, kOutputPitch);
    floats_.scatter(worker.outputs, kOutputPitch, rows, worker.segments, segments, run.y + first, out_plane);
}

}  // namespace onnxdc
