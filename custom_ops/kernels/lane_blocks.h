// The cut of a run's pixels, or rows of x, into blocks that each fill one panel.
#pragma once

#include <cstddef>

#include "parallel/range.h"
#include "simd/panel.h"

namespace onnxdc {

// Positions that are lanes of panels, cut into blocks. The cut does not depend on the number of threads, but suits two:
// an even number of blocks takes both the same time, and where layers of the same positions follow each other, each
// thread finds most of its inputs where it left them.
struct LaneBlocks {
    LaneBlocks(size_t positions, size_t max_vectors, size_t lanes);

    Range operator[](size_t index) const {
        const Range part = part_of(vectors, count, index);
        return {part.begin * lanes, part.end * lanes < positions ? part.end * lanes : positions};
    }

    size_t positions, lanes, vectors, count;
};

// How many vectors a panel of `columns` columns should have at most, so that it stays in or near the first cache.
size_t panel_vectors(const PanelKernels& kernels, size_t columns);

}  // namespace onnxdc
