// The cut of the outputs of some images into blocks whose inputs are met at once.
#pragma once

#include <array>

#include "kernels/convolution.h"
#include "parallel/range.h"

namespace onnxdc {

// Outputs that one call of an inner loop computes: pixels first .. first + count - 1, counted over the planes of
// consecutive images. The inputs of the first half of them, of an odd number the larger half, lie at from, from + step
// and so on, in bytes; those of the others likewise at `second`.
struct PixelBlock {
    size_t first, count;
    size_t from, second, step;
};

// Bytes from an output's inputs to the next one's: from image to image, then along each axis of the outputs.
using PixelSteps = std::array<size_t, 4>;

// Blocks are up to `most` pixels of a row, or two short rows. Rows that lie in equal steps are one, those of an image
// and, where they are few pixels, of several. The number of threads does not change the cut.
class PixelBlocks {
public:
    PixelBlocks(size_t images, const Spatial& out_size, const PixelSteps& steps, size_t most);

    // More images never have fewer.
    size_t count() const { return row_blocks_ > 0 ? rows_ * row_blocks_ : divide_up(rows_, 2); }
    // All of them, in the order of their pixels.
    void write(PixelBlock* blocks) const;

private:
    size_t start_of_row(size_t row) const;

    std::array<size_t, 4> sizes_;  // of images and each axis; 1 where an axis is part of the row, which is the last one
    PixelSteps steps_;
    size_t rows_;
    size_t row_blocks_;  // into which each row is cut; 0 where rows are taken in pairs
};

}  // namespace onnxdc
