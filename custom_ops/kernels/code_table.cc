#include "kernels/code_table.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace onnxdc {
namespace {

// Rows of another length: zeros are added to each.
std::vector<float> padded(std::vector<float> values, size_t rows, size_t columns, size_t stride) {
    if (columns == stride) return values;
    std::vector<float> wide(rows * stride);
    for (size_t row = 0; row < rows; ++row)
        std::copy_n(values.data() + row * columns, columns, wide.data() + row * stride);
    return wide;
}

}  // namespace

CodeTable::CodeTable(ElementCodes weight, Isa isa)
    : codes_(std::move(weight.code)),
      groups_(static_cast<size_t>(weight.groups)),
      span_(static_cast<size_t>(weight.group_span)) {
    const auto codes = static_cast<size_t>(weight.codes_per_group);
    stride_ = *std::lower_bound(std::begin(kLookupTables), std::end(kLookupTables), codes);
    values_ = padded(std::move(weight.codebook), groups_, codes, stride_);
    look_up_ = lookup_kernel(isa, stride_);
}

void CodeTable::read(size_t begin, size_t end, float* out) const {
    const size_t stored = std::clamp(codes_.size(), begin, end);
    size_t group = begin / span_ % groups_;
    size_t group_end = begin - begin % span_ + span_;
    for (size_t i = begin; i < stored; i = group_end, group_end += span_) {
        const size_t count = std::min(group_end, stored) - i;
        look_up_(values_.data() + group * stride_, codes_.data() + i, count, out + (i - begin));
        if (++group == groups_) group = 0;
    }
    std::fill(out + (stored - begin), out + (end - begin), 0.0f);
}

}  // namespace onnxdc
