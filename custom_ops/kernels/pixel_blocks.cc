#include "kernels/pixel_blocks.h"

#include <algorithm>

#include "parallel/range.h"

namespace onnxdc {

PixelBlocks::PixelBlocks(const Spatial& out_size, const Spatial& steps, size_t most) {
    size_t size[3], bytes[3];
    for (size_t d = 0; d < 3; ++d) {
        size[d] = static_cast<size_t>(out_size[d]);
        bytes[d] = static_cast<size_t>(steps[d]);
    }
    length_ = size[2];
    step_ = bytes[2];
    // An axis belongs to the row if its steps go on where those of the row end; a row of one has any steps.
    size_t axes = 2;
    for (; axes > 0; --axes) {
        const size_t d = axes - 1;
        if (length_ == 1) step_ = bytes[d];
        if (size[d] > 1 && bytes[d] != length_ * step_) break;
        length_ *= size[d];
    }
    slice_rows_ = axes == 2 ? size[1] : 1;
    rows_ = axes == 0 ? 1 : size[0] * slice_rows_;
    slice_step_ = bytes[0];
    row_step_ = axes == 2 ? bytes[1] : 0;
    row_blocks_ = rows_ > 1 && 2 * length_ <= most ? 0 : divide_up(length_, most);
}

size_t PixelBlocks::from(size_t row, size_t column) const {
    return row / slice_rows_ * slice_step_ + row % slice_rows_ * row_step_ + column * step_;
}

PixelBlock PixelBlocks::operator[](size_t index) const {
    if (row_blocks_ == 0) {
        const size_t row = 2 * index;
        if (row + 1 < rows_) return {row * length_, 2 * length_, from(row, 0), from(row + 1, 0)};
        return {row * length_, length_, from(row, 0), from(row, divide_up(length_, 2))};
    }
    const size_t row = index / row_blocks_;
    const Range columns = part_of(length_, row_blocks_, index % row_blocks_);
    const size_t count = columns.end - columns.begin, half = divide_up(count, 2);
    return {row * length_ + columns.begin, count, from(row, columns.begin), from(row, columns.begin + half)};
}

}  // namespace onnxdc
