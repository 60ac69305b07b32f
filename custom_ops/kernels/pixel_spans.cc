#include "kernels/pixel_spans.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace onnxdc {

PixelSpans::PixelSpans(const Spatial& kernel, const Spatial& dilations, size_t channels)
    : channels(channels),
      taps(static_cast<size_t>(product(kernel))),
      span_taps(dilations[2] == 1 ? static_cast<size_t>(kernel[2]) : 1),
      count(taps / span_taps),
      shift(0) {
    while ((size_t{1} << shift) < span_taps * channels) ++shift;
}

size_t PixelSpans::place_of(size_t column) const {
    const size_t channel = column / taps, tap = column % taps;
    return (tap / span_taps << shift) + tap % span_taps * channels + channel;
}

// Columns rise tap by tap, then with the channels.
IntegerRows PixelSpans::rows_of(const IntegerRows& weight, size_t first_row, size_t row_count) const {
    const uint32_t* starts = weight.start.data() + first_row;
    IntegerRows rows;
    rows.rows = row_count;
    rows.columns = nbytes();
    rows.column.resize(starts[row_count] - starts[0]);
    rows.value.resize(rows.column.size());
    std::vector<uint32_t> next(taps + 1);  // where the next nonzero of each tap goes
    for (size_t row = 0; row < row_count; ++row) {
        rows.start.push_back(starts[row] - starts[0]);
        std::fill(next.begin(), next.end(), 0);
        next[0] = rows.start.back();
        for (uint32_t i = starts[row]; i < starts[row + 1]; ++i) ++next[weight.column[i] % taps + 1];
        std::partial_sum(next.begin(), next.end(), next.begin());
        for (uint32_t i = starts[row]; i < starts[row + 1]; ++i) {
            const uint32_t to = next[weight.column[i] % taps]++;
            rows.column[to] = static_cast<uint32_t>(place_of(weight.column[i]));
            rows.value[to] = weight.value[i];
        }
    }
    rows.start.push_back(starts[row_count] - starts[0]);
    return rows;
}

}  // namespace onnxdc
