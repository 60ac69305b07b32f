// Random convolutions, drawn so that the ends of everything are met often.
#pragma once

#include "convolution_case.h"
#include "draw.h"

namespace onnxdc {

inline void draw_channels(Draw& draw, ConvolutionCase* c) {
    c->params.groups = draw.percent(60) ? 1 : draw.any(1, 20);
    const bool depthwise = draw.percent(15);
    if (depthwise) c->params.groups = std::max<int64_t>(1, draw.size(40));
    c->inputs = depthwise ? c->params.groups : c->params.groups * draw.size(70);
    c->outputs = c->params.groups * (depthwise ? draw.any(1, 3) : draw.size(200));
}

inline void draw_axis(Draw& draw, ConvolutionCase* c, size_t d) {
    constexpr int64_t kMost[] = {100, 40, 700};  // of each axis in the order of Spatial
    c->in_size[d] = draw.size(kMost[d]);
    c->kernel[d] = draw.percent(30) ? 1 : draw.percent(90) ? draw.any(2, 5) : draw.any(6, 12);
    c->params.strides[d] = draw.percent(50) ? 1 : draw.any(2, 4);
    c->params.dilations[d] = draw.percent(70) ? 1 : draw.any(2, 4);
    c->pads[d] = draw.percent(40) ? 0 : draw.percent(90) ? draw.any(0, 5) : draw.any(-5, -1);
    c->end_pads[d] = draw.percent(50) ? c->pads[d] : draw.percent(90) ? draw.any(0, 5) : draw.any(-5, -1);
}

// The products of a naive convolution, and elements of the input: both take time.
inline int64_t cost(const ConvolutionCase& c) {
    const int64_t positions = c.batch * product(c.out_size());
    return positions * c.outputs * (1 + c.inputs / c.params.groups * product(c.kernel)) +
           c.batch * c.inputs * product(c.in_size);
}

inline ConvolutionCase random_convolution(uint32_t seed) {
    Draw draw(seed);
    ConvolutionCase c;
    do {
        c = ConvolutionCase();
        c.rank = static_cast<int>(draw.any(1, 3));
        c.batch = draw.percent(70) ? draw.any(1, 3) : draw.size(130);
        draw_channels(draw, &c);
        c.in_size = c.kernel = {1, 1, 1};
        c.pads = c.end_pads = {0, 0, 0};
        for (size_t d = static_cast<size_t>(3 - c.rank); d < 3; ++d) draw_axis(draw, &c, d);
    } while (cost(c) > 2000000 || c.outputs * c.inputs / c.params.groups * product(c.kernel) > 200000);
    c.weight = draw.weight(c.weight_shape());
    c.has_bias = draw.percent(60);
    c.special = draw.percent(20) ? draw.any(1, 5) : 0;
    c.workers = {static_cast<size_t>(draw.any(1, 4))};
    return c;
}

}  // namespace onnxdc
