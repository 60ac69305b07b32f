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

size_t write_output_segments(Range outputs, size_t plane, size_t image_stride, Segment* segments) {
    size_t segment_count = 0;
    for_each_image(outputs, plane, [&](size_t image, size_t pixel, size_t count, size_t at) {
        append(segments, &segment_count, {static_cast<ptrdiff_t>(image * image_stride + pixel), at, count});
    });
    return segment_count;
}

ConvolutionGeometry::ConvolutionGeometry(const ConvolutionRun& run, const ConvolutionParams& params,
                                         const Spatial& kernel, int64_t inputs, Copies copies)
    : kernel_(kernel),
      strides_(params.strides),
      dilations_(params.dilations),
      in_size_(run.in_size),
      out_size_(run.out_size),
      pads_(run.pads),
      inputs_(inputs) {
    for (size_t d = 0; d < 3; ++d) extent_[d] = (out_size_[d] - 1) * strides_[d] + (kernel_[d] - 1) * dilations_[d] + 1;
    // A copy must not be far larger than what it is made from, unless it fits a second cache all the same: pads and
    // strides may be anything.
    constexpr double kMaxCopy = 4.0, kSmallCopy = 65536.0;
    double copy = 1.0, plane = 1.0;
    for (size_t d = 0; d < 3; ++d) {
        copy *= static_cast<double>(extent_[d]);
        plane *= static_cast<double>(in_size_[d]);
    }
    in_place_ = (strides_[2] == 1 && copies == Copies::kForStrides) || copy > std::max(kMaxCopy * plane, kSmallCopy);
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

bool ConvolutionGeometry::copies_are_planes() const {
    return strides_[2] == 1 && extent_ == in_size_ && pads_ == Spatial{0, 0, 0};
}

template <class T>
void ConvolutionGeometry::copy_plane(const T* x, T padding, T* copy) const {
    for (int64_t z = 0; z < extent_[0]; ++z) {
        for (int64_t r = 0; r < extent_[1]; ++r, copy += row_pitch_) {
            const int64_t in_z = z - pads_[0], in_r = r - pads_[1];
            if (in_z < 0 || in_z >= in_size_[0] || in_r < 0 || in_r >= in_size_[1]) {
                std::fill(copy, copy + row_pitch_, padding);
                continue;
            }
            const T* row = x + (in_z * in_size_[1] + in_r) * in_size_[2];
            for (int64_t phase = 0; phase < phases_; ++phase) {
                // Column c of the phase is input c * stride + phase - pad.
                const int64_t stride = strides_[2], shift = phase - pads_[2];
                const int64_t first = std::min(phase_pitch_, shift >= 0 ? 0 : (-shift + stride - 1) / stride);
                const int64_t last = std::clamp((in_size_[2] - shift + stride - 1) / stride, first, phase_pitch_);
                T* to = copy + phase * phase_pitch_;
                std::fill(to, to + first, padding);
                if (stride == 1) {
                    std::copy(row + first + shift, row + last + shift, to + first);
                } else if (stride == 2) {  // the usual one, in vectors
                    for (int64_t c = first; c < last; ++c) to[c] = row[c * 2 + shift];
                } else {
                    for (int64_t c = first; c < last; ++c) to[c] = row[c * stride + shift];
                }
                std::fill(to + last, to + phase_pitch_, padding);
            }
        }
    }
}

template void ConvolutionGeometry::copy_plane(const float*, float, float*) const;
template void ConvolutionGeometry::copy_plane(const uint8_t*, uint8_t, uint8_t*) const;

ConvolutionGeometry::Output ConvolutionGeometry::output(size_t index) const {
    const auto i = static_cast<int64_t>(index);
    const int64_t row = i / out_size_[2], slice = row / out_size_[1];
    return {slice / out_size_[0], slice % out_size_[0], row % out_size_[1], i % out_size_[2]};
}

ConvolutionGeometry::Tap ConvolutionGeometry::tap(size_t index) const {
    const auto i = static_cast<int64_t>(index);
    const int64_t z = i / (kernel_[1] * kernel_[2]) * dilations_[0], r = i / kernel_[2] % kernel_[1] * dilations_[1],
                  c = i % kernel_[2] * dilations_[2];
    const auto width = static_cast<size_t>(out_size_[2]);
    if (!in_place_) {
        const int64_t column = c % strides_[2] * phase_pitch_ + c / strides_[2];
        return {{}, z * slice_pitch_ + r * row_pitch_ + column, {0, width}};
    }
    const Spatial shift{z - pads_[0], r - pads_[1], c - pads_[2]};
    const auto columns_before = [&](int64_t inputs) {
        return static_cast<size_t>(inputs <= 0 ? 0 : (inputs - 1) / strides_[2] + 1);
    };
    const size_t first = columns_before(-shift[2]), last = columns_before(in_size_[2] - shift[2]);
    return {shift, shift[0] * slice_pitch_ + shift[1] * row_pitch_ + shift[2], {first, std::min(last, width)}};
}

int64_t ConvolutionGeometry::row_start(int64_t image, int64_t slice, int64_t row) const {
    return image * channel_pitch_ * inputs_ + slice * strides_[0] * slice_pitch_ + row * strides_[1] * row_pitch_;
}

bool ConvolutionGeometry::meets_padding(const Tap& tap, int64_t slice, int64_t row) const {
    if (!in_place_) return false;
    const int64_t in_slice = slice * strides_[0] + tap.shift[0], in_row = row * strides_[1] + tap.shift[1];
    return in_slice < 0 || in_slice >= in_size_[0] || in_row < 0 || in_row >= in_size_[1];
}

void ConvolutionGeometry::write_pieces(size_t begin, size_t end, size_t lanes, Piece* pieces, uint32_t* starts) const {
    const auto width = static_cast<size_t>(out_size_[2]), height = static_cast<size_t>(out_size_[1]),
               depth = static_cast<size_t>(out_size_[0]);
    uint32_t count = 0;
    for (size_t index = 0; index < taps(); ++index) {
        starts[index] = count;
        const Tap tap = this->tap(index);
        size_t column = begin % width, row = begin / width % height, slice = begin / width / height % depth,
               image = begin / out_plane();
        // One piece after the other, each within one row of the output and one vector.
        bool empty = true;  // whether the vector has no piece so far
        for (size_t at = begin; at < end;) {
            const size_t lane = (at - begin) % lanes;
            // With a stride in x itself, neighbours do not lie side by side.
            const size_t longest = in_place_ && strides_[2] > 1 ? 1 : lanes - lane;
            const size_t length = std::min({width - column, longest, end - at});
            const size_t first = std::max(column, tap.columns.begin), last = std::min(column + length, tap.columns.end);
            const auto slice_ = static_cast<int64_t>(slice), row_ = static_cast<int64_t>(row);
            if (first < last && !meets_padding(tap, slice_, row_)) {
                const size_t first_lane = lane + first - column;
                const auto from = row_start(static_cast<int64_t>(image), slice_, row_) + tap.offset +
                                  static_cast<int64_t>(first) * (in_place_ ? strides_[2] : 1) -
                                  static_cast<int64_t>(first_lane);
                const auto bits = (uint32_t{1} << (last - first)) - 1;
                pieces[count++] = {from, bits << first_lane, static_cast<uint32_t>((at - begin) / lanes)};
                empty = false;
            }
            at += length;
            column += length;
            if ((at - begin) % lanes == 0 || at == end) {
                if (empty) pieces[count++] = {0, 0, static_cast<uint32_t>((at - begin - 1) / lanes)};
                empty = true;
            }
            if (column < width) continue;
            column = 0;
            if (++row < height) continue;
            row = 0;
            if (++slice < depth) continue;
            slice = 0;
            ++image;
        }
    }
    starts[taps()] = count;
}

size_t ConvolutionGeometry::write_input_segments(size_t begin, size_t end, Segment* segments) const {
    size_t count = 0;
    for (size_t at = begin; at < end;) {
        const Output first = output(at);
        const size_t length = std::min(static_cast<size_t>(out_size_[2] - first.column), end - at);
        append(segments, &count, {row_start(first.image, first.slice, first.row) + first.column, at - begin, length});
        at += length;
    }
    return count;
}

void ConvolutionGeometry::write_places(size_t begin, size_t end, size_t index, int64_t* places) const {
    const Tap tap = this->tap(index);
    for (size_t at = begin; at < end; ++at, ++places) {
        const Output here = output(at);
        const auto column = static_cast<size_t>(here.column);
        const bool meets =
            column >= tap.columns.begin && column < tap.columns.end && !meets_padding(tap, here.slice, here.row);
        *places = meets ? row_start(here.image, here.slice, here.row) + tap.offset + here.column * strides_[2] : -1;
    }
}

}  // namespace onnxdc
