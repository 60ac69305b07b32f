// Where a convolution finds its inputs, once the sizes of a run are known.
#pragma once

#include <algorithm>

#include "kernels/convolution.h"
#include "parallel/range.h"
#include "simd/panel.h"

namespace onnxdc {

// Calls visit(image, pixel, count, at) for what some outputs, counted over planes of consecutive images, have of each:
// its pixels from `pixel` on are the outputs from `at` on, less the first one.
template <class Visit>
void for_each_image(Range outputs, size_t plane, const Visit& visit) {
    for (size_t first = outputs.begin, count; first < outputs.end; first += count) {
        const size_t pixel = first % plane;
        count = std::min(plane - pixel, outputs.end - first);
        visit(first / plane, pixel, count, first - outputs.begin);
    }
}

// Describes where these outputs go: `from` counts from the first plane of the first image, image_stride floats lie
// between images. Room for as many segments as outputs. Answers how many there are.
size_t write_output_segments(Range outputs, size_t plane, size_t image_stride, Segment* segments);

// The input of one image as the inner loops see it: the planes of x, or, for strides along the last axis, copies of
// them with the padding written out and the columns sorted by their remainder modulo the stride ("phases"). Either way
// the inputs that one tap of the kernel meets in a row of the output are contiguous. Where the copies would be far
// larger than the planes, x is taken with its stride, lane by lane.
//
// What is rounded to bytes is copied anyway: kAlways asks for copies whatever the strides.
class ConvolutionGeometry {
public:
    enum class Copies { kForStrides, kAlways };

    ConvolutionGeometry(const ConvolutionRun& run, const ConvolutionParams& params, const Spatial& kernel,
                        int64_t inputs, Copies copies = Copies::kForStrides);

    // Whether x itself will do.
    bool in_place() const { return in_place_; }
    // Elements of the source of one image, and of one channel in it.
    size_t image_pitch() const { return static_cast<size_t>(channel_pitch_ * inputs_); }
    size_t channel_pitch() const { return static_cast<size_t>(channel_pitch_); }
    size_t out_plane() const { return static_cast<size_t>(product(out_size_)); }
    size_t taps() const { return static_cast<size_t>(product(kernel_)); }

    // Whether the copies are what they are made of.
    bool copies_are_planes() const;
    // Writes the copy of one plane of x. T is float or uint8_t.
    template <class T>
    void copy_plane(const T* x, T padding, T* copy) const;

    // Describes the inputs of outputs begin .. end - 1, counted over the planes of consecutive images: pieces of
    // vectors of `lanes` lanes, counted from the first image's source of a channel. Those of a tap are starts[tap] ..
    // starts[tap + 1] - 1, and every vector has one. `pieces` has room for max_pieces() times the number of taps.
    static size_t max_pieces(size_t outputs, size_t lanes) { return outputs + outputs / lanes + 1; }
    void write_pieces(size_t begin, size_t end, size_t lanes, Piece* pieces, uint32_t* starts) const;

    // Of copies: where outputs begin .. end - 1, as above, find what the first tap meets, a segment for each row; and
    // how far from there what another one meets is. Room for end - begin segments. Answers how many there are.
    size_t write_input_segments(size_t begin, size_t end, Segment* segments) const;
    int64_t tap_offset(size_t index) const { return tap(index).offset; }

    // Of x itself: the place of what a tap meets at each of these outputs, -1 in the padding.
    void write_places(size_t begin, size_t end, size_t tap, int64_t* places) const;

private:
    struct Tap {
        Spatial shift;   // from an output's first input to the one that the tap meets, along each axis of x
        int64_t offset;  // the same in floats of the source
        Range columns;   // those of the output whose inputs are not padding
    };

    // One of the outputs, counted over the planes of consecutive images.
    struct Output {
        int64_t image, slice, row, column;
    };

    Output output(size_t index) const;
    Tap tap(size_t index) const;
    // The place in the source of what a tap without offset meets at the beginning of a row of the output.
    int64_t row_start(int64_t image, int64_t slice, int64_t row) const;
    bool meets_padding(const Tap& tap, int64_t slice, int64_t row) const;

    const Spatial kernel_, strides_, dilations_, in_size_, out_size_, pads_;
    const int64_t inputs_;
    Spatial extent_;      // so much of each axis is read, padding included
    int64_t phases_ = 1;  // the last axis is sorted into so many phases
    int64_t phase_pitch_ = 0;
    int64_t row_pitch_ = 0;
    int64_t slice_pitch_ = 0;
    int64_t channel_pitch_ = 0;
    bool in_place_ = false;
};

}  // namespace onnxdc
