#include "kernels/pixel_planes.h"

#include <cstring>

namespace onnxdc {
namespace {

// What is written in one piece stays in a second cache, and most of it in a first one.
constexpr size_t kPieceBytes = 32768;
// Planes may have so many times the pixels of the image, or so many in any case.
constexpr double kMostTimes = 4.0, kFewPixels = 1024.0;
// Beyond, numbers of 32 bits might not hold where a span begins, or how far apart two inputs of a row are.
constexpr double kMostBytes = 0x1p31;

}  // namespace

PixelPlanes::PixelPlanes(const ConvolutionRun& run, const ConvolutionParams& params, const Spatial& kernel,
                         const PixelSpans& spans)
    : spans_(spans), run_(run), params_(params), kernel_(kernel), planes_{run.in_size, {}, {1, 1, 1}, run.pads} {
    double pixels = 1.0;
    for (size_t d = 0; d < 3; ++d) {
        step_[d] = params.strides[d];
        if (kernel[d] == 1) std::swap(step_[d], planes_.sample[d]);
        planes_.extent[d] = (run.out_size[d] - 1) * step_[d] + (kernel[d] - 1) * params.dilations[d] + 1;
        pixels *= static_cast<double>(planes_.extent[d]);
    }
    const double inputs = static_cast<double>(product(run.in_size));
    is_gathered_ = pixels > std::max(kMostTimes * inputs, kFewPixels) ||
                   std::max(pixels * static_cast<double>(spans.channels), inputs) > kMostBytes;
    if (is_gathered_) planes_ = {run.in_size, run.in_size, {1, 1, 1}, {0, 0, 0}};
    pitch_[2] = channels();
    pitch_[1] = planes_.extent[2] * pitch_[2];
    pitch_[0] = planes_.extent[1] * pitch_[1];
    join_rows(&planes_);
    join_rows(&planes_);
    row_pieces_ = divide_up(static_cast<size_t>(planes_.extent[2]) * spans.channels, kPieceBytes);
}

// Puts the last two axes together if the rows of the planes are those of the image.
void PixelPlanes::join_rows(Axes* axes) {
    auto& [size, extent, sample, pads] = *axes;
    if (extent[2] != size[2] || sample[2] != 1 || pads[2] != 0 || sample[1] != 1) return;
    const int64_t row = size[2];
    size = {1, size[0], size[1] * row};
    extent = {1, extent[0], extent[1] * row};
    pads = {0, pads[0], pads[1] * row};
    sample = {1, sample[0], 1};
}

PixelSteps PixelPlanes::output_steps() const {
    PixelSteps steps{nbytes()};
    for (size_t d = 0; d < 3; ++d) steps[d + 1] = static_cast<size_t>(step_[d] * pitch_[d]);
    if (!is_gathered_) return steps;
    steps[3] = spans_.nbytes();
    for (size_t d = 3; d-- > 0;) steps[d] = steps[d + 1] * static_cast<size_t>(run_.out_size[d]);
    return steps;
}

void PixelPlanes::write_starts(uint32_t* starts) const {
    for (size_t span = 0; span < spans_.count; ++span) {
        const auto tap = static_cast<int64_t>(span * spans_.span_taps);
        const int64_t z = tap / (kernel_[1] * kernel_[2]), r = tap / kernel_[2] % kernel_[1], c = tap % kernel_[2];
        const auto& dilations = params_.dilations;
        starts[span] = static_cast<uint32_t>(
            is_gathered_ ? span << spans_.shift
                         : z * dilations[0] * pitch_[0] + r * dilations[1] * pitch_[1] + c * dilations[2] * pitch_[2]);
    }
}

void PixelPlanes::gather(const uint8_t* plane, size_t first, size_t count, uint8_t padding, uint8_t* windows) const {
    const Spatial &in = run_.in_size, &out = run_.out_size, &dilations = params_.dilations;
    for (size_t i = 0; i < count; ++i, windows += spans_.nbytes()) {
        const auto pixel = static_cast<int64_t>(first + i);
        const Spatial at{pixel / (out[1] * out[2]), pixel / out[2] % out[1], pixel % out[2]};
        for (size_t tap = 0; tap < spans_.taps; ++tap) {
            const auto t = static_cast<int64_t>(tap);
            const Spatial of_kernel{t / (kernel_[1] * kernel_[2]), t / kernel_[2] % kernel_[1], t % kernel_[2]};
            int64_t place = 0;  // in the image, -1 in the padding
            for (size_t d = 0; d < 3 && place >= 0; ++d) {
                const int64_t input = at[d] * params_.strides[d] + of_kernel[d] * dilations[d] - run_.pads[d];
                place = input < 0 || input >= in[d] ? -1 : place * in[d] + input;
            }
            uint8_t* to = windows + (tap / spans_.span_taps << spans_.shift) + tap % spans_.span_taps * spans_.channels;
            if (place < 0) {
                std::memset(to, padding, spans_.channels);
            } else {
                std::memcpy(to, plane + place * channels(), spans_.channels);
            }
        }
    }
}

}  // namespace onnxdc
