// Which outputs of a convolution meet an input that is no padding.
#pragma once

#include <algorithm>

#include "kernels/convolution.h"

namespace onnxdc {

// The outputs of one axis, first <= output < last, whose input lies inside x: input = output * stride + shift.
struct Reach {
    Reach(int64_t in_size, int64_t out_size, int64_t stride, int64_t shift)
        : stride(stride),
          shift(shift),
          first(shift >= 0 ? 0 : (-shift + stride - 1) / stride),
          last(shift >= in_size ? 0 : std::min(out_size, (in_size - shift + stride - 1) / stride)) {}

    int64_t stride, shift, first, last;
};

// The reach of a column [input channel within the group, kernel...] along each axis.
struct ColumnReach {
    ColumnReach(const ConvolutionRun& run, const ConvolutionParams& params, const Spatial& kernel, int64_t column)
        : axes{of(run, params, kernel, column, 0), of(run, params, kernel, column, 1),
               of(run, params, kernel, column, 2)} {}

    // Calls use(first output, first input, count, stride) for each row of the output: contiguous outputs, and inputs
    // that lie a stride apart, counted in their planes.
    template <class Use>
    void for_each_row(const ConvolutionRun& run, const Use& use) const {
        const int64_t count = axes[2].last - axes[2].first;
        for (int64_t z = axes[0].first; z < axes[0].last; ++z) {
            for (int64_t r = axes[1].first; r < axes[1].last && count > 0; ++r) {
                const int64_t in_row =
                    (z * axes[0].stride + axes[0].shift) * run.in_size[1] + r * axes[1].stride + axes[1].shift;
                use((z * run.out_size[1] + r) * run.out_size[2] + axes[2].first,
                    in_row * run.in_size[2] + axes[2].shift + axes[2].first * axes[2].stride, count, axes[2].stride);
            }
        }
    }

    const Reach axes[3];

private:
    static Reach of(const ConvolutionRun& run, const ConvolutionParams& params, const Spatial& kernel, int64_t column,
                    size_t d) {
        const int64_t tap = column % product(kernel);
        const Spatial at{tap / (kernel[1] * kernel[2]), tap / kernel[2] % kernel[1], tap % kernel[2]};
        return Reach(run.in_size[d], run.out_size[d], params.strides[d], at[d] * params.dilations[d] - run.pads[d]);
    }
};

}  // namespace onnxdc
