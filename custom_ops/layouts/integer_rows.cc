#include "layouts/integer_rows.h"

#include <algorithm>
#include <cmath>

namespace onnxdc {
namespace {

constexpr float kMostInteger = 127.0f;
// Of the magnitudes of a row: with inputs of 0 to 255 no sum then leaves 32 bits, nor does the sum less a zero point
// times that of the row.
constexpr int64_t kMostSum = ((int64_t{1} << 31) - 1) / 255;

}  // namespace

const char* round_rows(const SparseRows& rows, IntegerRows* integers) {
    integers->rows = rows.rows;
    integers->columns = rows.columns;
    integers->start.assign(rows.rows + 1, 0);
    integers->scale.resize(rows.rows);
    integers->sum.resize(rows.rows);
    integers->column.reserve(rows.column.size());
    integers->value.reserve(rows.column.size());
    for (size_t row = 0; row < rows.rows; ++row) {
        float largest = 0.0f;
        bool finite = true;
        for (uint32_t i = rows.start[row]; i < rows.start[row + 1]; ++i) {
            const float magnitude = std::fabs(rows.values[rows.code[i]]);
            finite &= std::isfinite(magnitude);
            largest = std::max(largest, magnitude);
        }
        if (!finite) return "the weight holds an infinity or a NaN, which no integer stands for";
        const float step = rows.step.empty() ? 0.0f : rows.step[row];
        const float scale = step > 0.0f ? step : std::max(largest / kMostInteger, kLeastScale);
        int64_t sum = 0, magnitudes = 0;
        for (uint32_t i = rows.start[row]; i < rows.start[row + 1]; ++i) {
            const auto value = static_cast<int8_t>(round_to_even(rows.values[rows.code[i]] / scale));
            if (value == 0) continue;
            integers->column.push_back(rows.column[i]);
            integers->value.push_back(value);
            sum += value;
            magnitudes += std::abs(value);
        }
        if (magnitudes > kMostSum)
            return "an output of the weight has so many nonzeros that 32 bits do not hold its sums";
        integers->start[row + 1] = static_cast<uint32_t>(integers->column.size());
        integers->scale[row] = scale;
        integers->sum[row] = static_cast<int32_t>(sum);
    }
    return nullptr;
}

}  // namespace onnxdc
