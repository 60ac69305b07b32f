// Random matrices of integers, for tests of layouts.
#pragma once

#include "layouts/integer_rows.h"
#include "random_weight.h"

namespace onnxdc {

// About `density` of the elements are from -most to most, but not 0.
inline IntegerRows random_integers(Random& random, size_t rows, size_t columns, double density, int most) {
    IntegerRows matrix;
    matrix.rows = rows;
    matrix.columns = columns;
    matrix.start.push_back(0);
    for (size_t row = 0; row < rows; ++row) {
        for (size_t column = 0; column < columns; ++column) {
            const int value = static_cast<int>(random() % static_cast<unsigned>(2 * most + 1)) - most;
            if (value == 0 || !std::bernoulli_distribution(density)(random)) continue;
            matrix.column.push_back(static_cast<uint32_t>(column));
            matrix.value.push_back(static_cast<int8_t>(value));
        }
        matrix.start.push_back(static_cast<uint32_t>(matrix.column.size()));
    }
    return matrix;
}

}  // namespace onnxdc
