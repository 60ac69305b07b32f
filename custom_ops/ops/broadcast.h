// Adding tensors of unlike shapes as the standard operators do: axes are counted from the last one, and one of length 1
// repeats along that of the other.
#pragma once

#include <cstdint>
#include <vector>

namespace onnxdc {

using Dims = std::vector<int64_t>;

// The shape of the sum of two tensors. Throws ort::Error if there is none.
Dims broadcast_dims(const Dims& a, const Dims& b);

// Writes x of shape `from` over all of y of shape `to`, which is the broadcast shape of `from` and any other.
void expand(const float* x, const Dims& from, float* y, const Dims& to);

}  // namespace onnxdc
