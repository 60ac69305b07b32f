// The cut of the outputs of an image into blocks whose inputs are met at once.
#pragma once

#include "kernels/convolution.h"
#include "parallel/range.h"

namespace onnxdc {

// Outputs that one call of an inner loop computes: pixels first .. first + count - 1 of a plane. The inputs of the
// first half of them, of an odd number the larger half, begin at `from` and on, in equal steps; those of the others
// likewise at `second`.
struct PixelBlock {
    size_t first, count;
    size_t from, second;
};

// Blocks are up to `most` pixels of a row, or two short rows. Rows that lie in equal steps are one. Neither images nor
// the number of threads change the cut.
class PixelBlocks {
public:
    // `steps` are the bytes from an output's inputs to the next one's, along each axis.
    PixelBlocks(const Spatial& out_size, const Spatial& steps, size_t most);

    size_t count() const { return row_blocks_ > 0 ? rows_ * row_blocks_ : divide_up(rows_, 2); }
    // From pixel to pixel of half a block, in bytes.
    size_t step() const { return step_; }
    // All of them, in the order of their pixels.
    void write(PixelBlock* blocks) const;

private:
    size_t rows_, length_;                 // length_ pixels are a row
    size_t slice_rows_;                    // rows are so many to a slice
    size_t slice_step_, row_step_, step_;  // in bytes
    size_t row_blocks_;                    // into which each row is cut; 0 where rows are taken in pairs
};

}  // namespace onnxdc
