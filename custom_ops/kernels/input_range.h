// What bytes stand for the inputs of a row, or of an image: docs/format.md, section 9.
#pragma once

#include <cstddef>
#include <cstdint>

#include "parallel/executor.h"
#include "simd/bytes.h"

namespace onnxdc {

// Input x becomes the byte q = round(x * inverse) + zero, from 0 to 255, and q - zero times `scale` is nearly x. Of
// inputs with an infinity or a NaN among them the scale is NaN, and so is all that is made of them; their bytes are 0.
struct InputRange {
    float scale;
    float inverse;
    int32_t zero;
};

// Of inputs whose parts have these extremes.
InputRange range_of(const Extremes* parts, size_t count);

// Images of `size` inputs each, one after the other.
struct Images {
    const float* x;
    size_t count, size;
};

// Of each image. The extremes of its parts, [images.count, range_parts(images.size)], are found on the way.
void find_ranges(const ByteKernels& kernels, const Images& images, Extremes* extremes, InputRange* ranges,
                 Executor& executor);
size_t range_parts(size_t size);

// Of `count` inputs, x[0], x[stride] and so on.
InputRange find_range(const float* x, int64_t stride, size_t count);

// The bytes of these inputs, one after the other.
void round_inputs(const float* x, int64_t stride, size_t count, const InputRange& range, uint8_t* bytes);

}  // namespace onnxdc
