// Where a convolution finds its inputs when the channels of a pixel lie side by side, once the sizes of a run are
// known.
#pragma once

#include <algorithm>

#include "kernels/convolution.h"
#include "kernels/pixel_blocks.h"
#include "kernels/pixel_spans.h"
#include "parallel/range.h"

namespace onnxdc {

// The inputs of one image as bytes: planes [slice, row, pixel, channel], one for each group of channels so that windows
// of one do not meet those of another, with the padding written out. Along an axis where the kernel is 1 there is only
// what the strides meet.
//
// Where such planes would be far larger than the image, they are just the image, and the windows of each output are
// brought together: is_gathered().
class PixelPlanes {
public:
    // `spans` must outlive it.
    PixelPlanes(const ConvolutionRun& run, const ConvolutionParams& params, const Spatial& kernel,
                const PixelSpans& spans);

    bool is_gathered() const { return is_gathered_; }
    // Of one plane.
    size_t nbytes() const { return static_cast<size_t>(product(planes_.extent) * channels()); }
    // In planes of images that lie one after the other, or in what gather() writes.
    PixelSteps output_steps() const;
    // Where each span begins, counted from the first input of an output: [spans.count].
    void write_starts(uint32_t* starts) const;

    // A plane is written in so many pieces.
    size_t pieces() const { return static_cast<size_t>(planes_.extent[0] * planes_.extent[1]) * row_pieces_; }
    // Calls fill(to, count) for the bytes of a piece that are padding, and round(to, from, step, count) for pixels of
    // which the first is element `from` of a channel, the others `step` apart.
    template <class Fill, class Round>
    void write_piece(size_t piece, const Fill& fill, const Round& round) const;

    // Of outputs first .. first + count - 1 the windows, [count, spans.nbytes()].
    void gather(const uint8_t* plane, size_t first, size_t count, uint8_t padding, uint8_t* windows) const;

private:
    // Input p * sample - pads of the image is p in the planes, 0 <= p < extent, along each axis.
    struct Axes {
        Spatial size;  // of the image
        Spatial extent, sample, pads;
    };

    int64_t channels() const { return static_cast<int64_t>(spans_.channels); }
    static void join_rows(Axes* axes);

    const PixelSpans& spans_;
    const ConvolutionRun run_;
    const ConvolutionParams params_;
    const Spatial kernel_;
    bool is_gathered_;
    Spatial step_;   // from output to output along each axis of the planes
    Spatial pitch_;  // from input to input along each axis of the planes, in bytes
    Axes planes_;    // rows that lie one after the other, in the image as in the planes, are one
    size_t row_pieces_;
};

template <class Fill, class Round>
void PixelPlanes::write_piece(size_t piece, const Fill& fill, const Round& round) const {
    const Spatial &size = planes_.size, &extent = planes_.extent, &sample = planes_.sample, &pads = planes_.pads;
    const auto row = static_cast<int64_t>(piece / row_pieces_);
    const Range part = part_of(static_cast<size_t>(extent[2]), row_pieces_, piece % row_pieces_);
    const auto begin = static_cast<int64_t>(part.begin), end = static_cast<int64_t>(part.end);
    const int64_t z = row / extent[1] * sample[0] - pads[0], r = row % extent[1] * sample[1] - pads[1];
    const bool is_padding = z < 0 || z >= size[0] || r < 0 || r >= size[1];
    const auto columns_before = [&](int64_t input) {
        const int64_t column = input + pads[2] <= 0 ? 0 : (input + pads[2] - 1) / sample[2] + 1;
        return std::clamp(column, begin, end);
    };
    const int64_t first = is_padding ? end : columns_before(0), last = is_padding ? end : columns_before(size[2]);
    const auto place = [&](int64_t column) { return static_cast<size_t>((row * extent[2] + column) * channels()); };
    fill(place(begin), place(first) - place(begin));
    if (first < last) {
        round(place(first), static_cast<size_t>((z * size[1] + r) * size[2] + first * sample[2] - pads[2]),
              static_cast<size_t>(sample[2]), static_cast<size_t>(last - first));
    }
    fill(place(last), place(end) - place(last));
}

}  // namespace onnxdc
