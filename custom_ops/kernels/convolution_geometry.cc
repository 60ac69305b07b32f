#include "kernels/convolution_geometry.h"

#include <algorithm>

namespace onnxdc {
namespace {

// Appends a segment, or lengthens the last one if it goes on there.
void append(Segment* segments, size_t* count, const Segment& segment) {
    if (*count > 0) {
        Segment& last = segments[*count - 1];
        if (last.from + static_cast<ptrdiff_t>(last.length) == segment.from) {
            last.length += segment.length;
            return;
        }
    }
    segments[(*count)++] = segment;
}

}  // namespace

ConvolutionGeometry::ConvolutionGeometry(const ConvolutionRun& run, const ConvolutionParams& params,
                                         const Spatial& kernel, int64_t inputs)
    : kernel_(kernel),
      strides_(params.strides),
      dilations_(params.dilations),
      in_size_(run.in_size),
      out_size_(run.out_size),
      pads_(run.pads),
      inputs_(inputs) {
    bool inside = true;
    for (size_t d = 0; d < 3; ++d) {
        extent_[d] = (out_size_[d] - 1) * strides_[d] + (kernel_[d] - 1) * dilations_[d] + 1;
        inside = inside && pads_[d] == 0 && extent_[d] <= in_size_[d];
    }
    in_place_ = inside && strides_[2] == 1;
    if (in_place_) {
        row_pitch_ = in_size_[2];
        slice_pitch_ = row_pitch_ * in_size_[1];
        channel_pitch_ = slice_pitch_ * in_size_[0];
        return;
    }
    // A kernel of one column reads one phase only.
    phases_ = std::min(strides_[2], (kernel_[2] - 1) * dilations_[2] + 1);
    phase_pitch_ = (extent_[2] + strides_[2] - 1) / strides_[2];
    row_pitch_ = phases_ * phase_pitch_;
    slice_pitch_ = row_pitch_ * extent_[1];
    channel_pitch_ = slice_pitch_ * extent_[0];
}

void ConvolutionGeometry::copy_plane(const float* x, float* copy) const {
    for (int64_t z = 0; z < extent_[0]; ++z) {
        for (int64_t r = 0; r < extent_[1]; ++r, copy += row_pitch_) {
            const int64_t in_z = z - pads_[0], in_r = r - pads_[1];
            if (in_z < 0 || in_z >= in_size_[0] || in_r < 0 || in_r >= in_size_[1]) {
                std::fill(copy, copy + row_pitch_, 0.0f);
                continue;
            }
            const float* row = x + (in_z * in_size_[1] + in_r) * in_size_[2];
            for (int64_t phase = 0; phase < phases_; ++phase) {
                // Column c of the phase is input c * stride + phase - pad.
                const int64_t stride = strides_[2], shift = phase - pads_[2];
                const int64_t first = std::min(phase_pitch_, shift >= 0 ? 0 : (-shift + stride - 1) / stride);
                const int64_t last = std::clamp((in_size_[2] - shift + stride - 1) / stride, first, phase_pitch_);
                float* to = copy + phase * phase_pitch_;
                std::fill(to, to + first, 0.0f);
                if (stride == 1 && first < last) {
                    std::copy(row + (first + shift), row + (last + shift), to + first);
                } else {
                    for (int64_t c = first; c < last; ++c) to[c] = row[c * stride + shift];
                }
                std::fill(to + last, to + phase_pitch_, 0.0f);
            }
        }
    }
}

void ConvolutionGeometry::write_offsets(size_t columns, ptrdiff_t* offsets) const {
    const int64_t taps = kernel_[0] * kernel_[1] * kernel_[2];
    for (int64_t column = 0; column < static_cast<int64_t>(columns); ++column) {
        const int64_t tap = column % taps;
        const int64_t z = tap / (kernel_[1] * kernel_[2]), r = tap / kernel_[2] % kernel_[1],
                      c = tap % kernel_[2] * dilations_[2];
        offsets[column] = column / taps * channel_pitch_ + z * dilations_[0] * slice_pitch_ +
                          r * dilations_[1] * row_pitch_ + c % strides_[2] * phase_pitch_ + c / strides_[2];
    }
}

size_t ConvolutionGeometry::write_input_segments(size_t begin, size_t end, Segment* segments) const {
    const auto width = static_cast<size_t>(out_size_[2]), height = static_cast<size_t>(out_size_[1]),
               depth = static_cast<size_t>(out_size_[0]);
    size_t count = 0;
    for (size_t at = begin; at < end;) {
        const size_t column = at % width, row = at / width % height, slice = at / width / height % depth,
                     image = at / out_plane();
        const size_t length = std::min(width - column, end - at);
        const auto from = static_cast<int64_t>(image * image_pitch() + column) +
                          static_cast<int64_t>(row) * strides_[1] * row_pitch_ +
                          static_cast<int64_t>(slice) * strides_[0] * slice_pitch_;
        append(segments, &count, {from, at - begin, length});
        at += length;
    }
    return count;
}

size_t ConvolutionGeometry::write_output_segments(size_t begin, size_t end, size_t image_stride,
                                                  Segment* segments) const {
    size_t count = 0;
    for (size_t at = begin; at < end;) {
        const size_t pixel = at % out_plane();
        const size_t length = std::min(out_plane() - pixel, end - at);
        append(segments, &count, {static_cast<ptrdiff_t>(at / out_plane() * image_stride + pixel), at - begin, length});
        at += length;
    }
    return count;
}

}  // namespace onnxdc
