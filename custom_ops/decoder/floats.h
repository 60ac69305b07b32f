// The float types of a codebook, widened to those of a weight. Narrowing does not occur: the format forbids it.
#pragma once

#include <cstdint>
#include <cstring>

#include "decoder/weight_group.h"

namespace onnxdc {

// bfloat16 is the upper half of a float32.
inline float bfloat16_to_float(uint16_t half) {
    const uint32_t bits = uint32_t{half} << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline float float16_to_float(uint16_t half) {
    const uint32_t sign = uint32_t{half} >> 15 << 31;
    const uint32_t exponent = half >> 10 & 31;
    const uint32_t fraction = half & 1023;
    uint32_t bits;
    if (exponent == 31) {
        bits = 255u << 23 | fraction << 13;  // infinity and NaN
    } else if (exponent == 0) {
        const float subnormal = static_cast<float>(fraction) / (1 << 24);
        std::memcpy(&bits, &subnormal, sizeof bits);
    } else {
        bits = (exponent + 127 - 15) << 23 | fraction << 13;
    }
    bits |= sign;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// Element `index` of an array of `type`, which is one of the four float types, as float64: no value changes.
inline double load_float(const void* array, int32_t type, int64_t index) {
    const char* element = static_cast<const char*>(array) + static_cast<size_t>(index) * element_size(type);
    if (type == kDouble) {
        double value;
        std::memcpy(&value, element, sizeof value);
        return value;
    }
    if (type == kFloat) {
        float value;
        std::memcpy(&value, element, sizeof value);
        return double{value};
    }
    uint16_t half;
    std::memcpy(&half, element, sizeof half);
    return double{type == kFloat16 ? float16_to_float(half) : bfloat16_to_float(half)};
}

}  // namespace onnxdc
