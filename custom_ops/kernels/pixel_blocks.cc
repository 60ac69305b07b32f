#include "kernels/pixel_blocks.h"

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

void PixelBlocks::write(PixelBlock* blocks) const {
    for (size_t row = 0; row < rows_; ++row) {
        const size_t from = row / slice_rows_ * slice_step_ + row % slice_rows_ * row_step_, first = row * length_;
        if (row_blocks_ == 0 && row % 2 == 1) {
            blocks[-1].count += length_;
            blocks[-1].second = from;
            continue;
        }
        const size_t parts = row_blocks_ == 0 ? 1 : row_blocks_;
        for (size_t part = 0; part < parts; ++part) {
            const Range columns = part_of(length_, parts, part);
            const size_t count = columns.end - columns.begin, start = from + columns.begin * step_;
            *blocks++ = {first + columns.begin, count, start, start + divide_up(count, 2) * step_};
        }
    }
}

}  // namespace onnxdc
