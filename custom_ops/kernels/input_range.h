// What bytes stand for the inputs of a row, or of an image: docs/format.md, section 9.
#pragma once

#include <cstddef>
#include <cstdint>

namespace onnxdc {

// Input x becomes the byte q = round(x * inverse) + zero, from 0 to 255, and q - zero times `scale` is nearly x. Of
// inputs with an infinity or a NaN among them the scale is NaN, and so is all that is made of them; their bytes are 0.
struct InputRange {
    float scale;
    float inverse;
    int32_t zero;
};

// Of inputs from `low` to `high`, both finite, 0 among them.
InputRange input_range(float low, float high);

// Of inputs that have no range.
InputRange no_range();

// Of `count` inputs, x[0], x[stride] and so on.
InputRange find_range(const float* x, int64_t stride, size_t count);

// The bytes of these inputs, one after the other.
void round_inputs(const float* x, int64_t stride, size_t count, const InputRange& range, uint8_t* bytes);

}  // namespace onnxdc
