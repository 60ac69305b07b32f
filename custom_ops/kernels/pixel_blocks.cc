#include "kernels/pixel_blocks.h"

namespace onnxdc {

PixelBlocks::PixelBlocks(size_t images, const Spatial& out_size, const PixelSteps& steps, size_t most)
    : sizes_{images, static_cast<size_t>(out_size[0]), static_cast<size_t>(out_size[1]),
             static_cast<size_t>(out_size[2])},
      steps_(steps) {
    size_t &length = sizes_[3], &step = steps_[3];
    // An axis belongs to the row if its steps go on where those of the row end; a row of one has any steps. Images that
    // fill half a block or more are better off without the outputs of others in their blocks.
    for (size_t d = 3; d-- > 0;) {
        if (length == 1) step = steps[d];
        if (sizes_[d] > 1 && (steps[d] != length * step || (d == 0 && 2 * length > most))) break;
        length *= sizes_[d];
        sizes_[d] = 1;
    }
    rows_ = sizes_[0] * sizes_[1] * sizes_[2];
    row_blocks_ = rows_ > 1 && 2 * length <= most ? 0 : divide_up(length, most);
}

size_t PixelBlocks::start_of_row(size_t row) const {
    size_t start = 0;
    for (size_t d = 3; d-- > 0; row /= sizes_[d]) start += row % sizes_[d] * steps_[d];
    return start;
}

void PixelBlocks::write(PixelBlock* blocks) const {
    const size_t length = sizes_[3], step = steps_[3];
    for (size_t row = 0; row < rows_; ++row) {
        const size_t from = start_of_row(row), first = row * length;
        if (row_blocks_ == 0 && row % 2 == 1) {
            blocks[-1].count += length;
            blocks[-1].second = from;
            continue;
        }
        const size_t parts = row_blocks_ == 0 ? 1 : row_blocks_;
        for (size_t part = 0; part < parts; ++part) {
            const Range columns = part_of(length, parts, part);
            const size_t count = columns.end - columns.begin, start = from + columns.begin * step;
            *blocks++ = {first + columns.begin, count, start, start + divide_up(count, 2) * step, step};
        }
    }
}

}  // namespace onnxdc
