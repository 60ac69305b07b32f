// The columns of a convolution whose inputs are pixels with their channels side by side.
#pragma once

#include "kernels/convolution.h"
#include "layouts/integer_rows.h"

namespace onnxdc {

// How the columns [channel, kernel...] of one group are numbered for windows. Inputs that lie side by side whatever the
// sizes of a run are a span: of the taps of a row of the kernel, [tap, channel]; where a dilation parts them, of one
// tap. A span begins at a multiple of 2^shift.
struct PixelSpans {
    PixelSpans(const Spatial& kernel, const Spatial& dilations, size_t channels);

    // Bytes from the first span to the end of the last.
    size_t nbytes() const { return count << shift; }
    // Where a column is, counted in these bytes.
    size_t place_of(size_t column) const;
    // Some rows of a weight, those of a group, with their columns there.
    IntegerRows rows_of(const IntegerRows& weight, size_t first_row, size_t row_count) const;

    size_t channels, taps;
    size_t span_taps;  // so many taps are a span
    size_t count;
    uint32_t shift;
};

}  // namespace onnxdc
