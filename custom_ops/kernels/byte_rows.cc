#include "kernels/byte_rows.h"

#include <algorithm>

namespace onnxdc {

InputRange round_row(const ByteKernels& kernels, const MatrixRun& run, size_t row, size_t columns, uint8_t* bytes) {
    const float* x = run.x + static_cast<int64_t>(row) * run.x_row_stride;
    if (run.x_column_stride != 1) {
        const InputRange range = find_range(x, run.x_column_stride, columns);
        round_inputs(x, run.x_column_stride, columns, range, bytes);
        return range;
    }
    const Extremes extremes = kernels.extremes(x, columns);
    const InputRange range = range_of(&extremes, 1);
    if (extremes.finite) {
        kernels.round(x, columns, range.inverse, range.zero, bytes);
    } else {
        std::fill_n(bytes, columns, uint8_t{0});
    }
    return range;
}

}  // namespace onnxdc
