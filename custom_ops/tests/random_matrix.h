// Random matrix products, drawn so that the ends of everything are met often.
#pragma once

#include "draw.h"
#include "matrix_case.h"

namespace onnxdc {

inline MatrixCase random_matrix(uint32_t seed) {
    Draw draw(seed);
    MatrixCase c;
    do {
        c.m = draw.percent(50) ? draw.any(0, 8) : draw.percent(50) ? draw.any(9, 130) : draw.size(130);
        c.inputs = draw.size(draw.percent(10) ? 11000 : 1500);
        c.outputs = draw.size(600);
    } while (c.inputs * c.outputs > 200000 || c.m * c.inputs * c.outputs > 2000000);
    c.weight_transposed = draw.percent(50);
    c.weight = draw.weight(c.weight_shape());
    c.x_transposed = draw.percent(25);
    c.has_bias = draw.percent(60);
    c.special = draw.percent(20) ? draw.any(1, 5) : 0;
    c.alpha = draw.alpha();
    c.expected_m = draw.percent(50) ? 0 : draw.any(1, 130);
    c.x_gap = draw.percent(60) ? 0 : draw.any(1, 40);
    c.y_gap = draw.percent(60) ? 0 : draw.any(1, 40);
    c.workers = {static_cast<size_t>(draw.any(1, 4))};
    return c;
}

}  // namespace onnxdc
