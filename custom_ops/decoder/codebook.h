// The value of each code of a checked weight group, in the type of the weight.
#pragma once

#include <cstdint>
#include <vector>

#include "decoder/check.h"

namespace onnxdc {

// [groups, codes_per_group]. T is an unsigned integer of the size of the weight's type, for the bits of the values; or
// float for a float32 weight.
template <class T>
std::vector<T> codebook_values(const CheckedGroup& group);

// The step of each group if the codebook holds integers of a grid from -127 to 127; else empty.
std::vector<float> byte_steps(const CheckedGroup& group);

}  // namespace onnxdc
