// The value of each code of a checked weight group, in the type of the weight.
#pragma once

#include <cstdint>
#include <vector>

#include "decoder/check.h"

namespace onnxdc {

// Bit patterns [groups, codes_per_group], T being an unsigned integer of the size of the weight's type.
template <class T>
std::vector<T> codebook_bits(const CheckedGroup& group);

}  // namespace onnxdc
