// Where a convolution finds its inputs, once the sizes of a run are known.
#pragma once

#include "kernels/convolution.h"
#include "kernels/panel.h"

namespace onnxdc {

// The input of one image as the inner loops see it: the planes of x, or copies of them with the padding written out and
// the columns sorted by their remainder modulo the stride ("phases"). Either way the inputs that one weight meets in a
// row of the output are contiguous, and
//   input = source + image * image_pitch + offset(column of the weight) + start(first output of the row) + output
//   column
class ConvolutionGeometry {
public:
    ConvolutionGeometry(const ConvolutionRun& run, const ConvolutionParams& params, const Spatial& kernel,
                        int64_t inputs);

    // Whether x itself will do.
    bool in_place() const { return in_place_; }
    // Floats of the copy of one image.
    size_t image_pitch() const { return static_cast<size_t>(channel_pitch_ * inputs_); }
    size_t out_plane() const { return static_cast<size_t>(out_size_[0] * out_size_[1] * out_size_[2]); }

    // Writes the copy of one plane of x.
    void copy_plane(const float* x, float* copy) const;
    size_t channel_pitch() const { return static_cast<size_t>(channel_pitch_); }

    // The offset of each column [input channel within the group, kernel...] of the weight.
    void write_offsets(size_t columns, ptrdiff_t* offsets) const;

    // Describes outputs begin .. end - 1, counted over the planes of consecutive images. Both arrays have room for end
    // - begin segments. Inputs: `from` counts from the first image, without the offset of the column.
    size_t write_input_segments(size_t begin, size_t end, Segment* segments) const;
    // Outputs: `from` counts from the first plane of the first image; image_stride floats lie between images.
    size_t write_output_segments(size_t begin, size_t end, size_t image_stride, Segment* segments) const;

private:
    const Spatial kernel_, strides_, dilations_, in_size_, out_size_, pads_;
    const int64_t inputs_;
    Spatial extent_;      // how much of each axis is read, padding included
    int64_t phases_ = 1;  // of the last axis
    int64_t phase_pitch_ = 0;
    int64_t row_pitch_ = 0;
    int64_t slice_pitch_ = 0;
    int64_t channel_pitch_ = 0;
    bool in_place_ = false;
};

}  // namespace onnxdc
