#include "ops/broadcast.h"

#include <algorithm>

#include "abi/ort.h"

namespace onnxdc {
namespace {

// With ones before it, so that it has `rank` axes.
Dims with_rank(const Dims& dims, size_t rank) {
    Dims result(rank - dims.size(), 1);
    result.insert(result.end(), dims.begin(), dims.end());
    return result;
}

// Floats between the elements of x along each of its axes, 0 where it repeats.
Dims strides_of(const Dims& from) {
    Dims strides(from.size());
    int64_t stride = 1;
    for (size_t axis = from.size(); axis-- > 0; stride *= from[axis]) strides[axis] = from[axis] == 1 ? 0 : stride;
    return strides;
}

}  // namespace

Dims broadcast_dims(const Dims& a, const Dims& b) {
    const size_t rank = std::max(a.size(), b.size());
    Dims result = with_rank(a, rank);
    const Dims other = with_rank(b, rank);
    for (size_t axis = 0; axis < rank; ++axis) {
        if (result[axis] != other[axis] && result[axis] != 1 && other[axis] != 1) {
            throw ort::Error(kOrtInvalidArgument, "the residual has shape " + ort::shape_text(b) +
                                                      ", which does not broadcast with " + ort::shape_text(a));
        }
        if (result[axis] == 1) result[axis] = other[axis];
    }
    return result;
}

void expand(const float* x, const Dims& from, float* y, const Dims& to) {
    const size_t rank = to.size();
    if (std::find(to.begin(), to.end(), 0) != to.end()) return;
    if (rank == 0) {
        *y = *x;
        return;
    }
    const Dims strides = strides_of(with_rank(from, rank));
    Dims index(rank);  // of the row of y that is written; the last axis stays 0
    for (;;) {
        for (int64_t i = 0; i < to[rank - 1]; ++i) *y++ = x[i * strides[rank - 1]];
        // The next row: the last axis but one that is not at its end goes on, those after it start again.
        size_t axis = rank - 1;
        for (;;) {
            if (axis == 0) return;
            --axis;
            x += strides[axis];
            if (++index[axis] < to[axis]) break;
            x -= strides[axis] * to[axis];
            index[axis] = 0;
        }
    }
}

}  // namespace onnxdc
