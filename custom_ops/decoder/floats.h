// Between the float types of codebooks and of weights.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "decoder/weight_group.h"

namespace onnxdc {

// The bits of a number, and the number that some bits are.
template <class To, class From>
To bits_as(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

// bfloat16 is the upper half of a float32.
inline float bfloat16_to_float(uint16_t half) { return bits_as<float>(uint32_t{half} << 16); }

inline float float16_to_float(uint16_t half) {
    const uint32_t sign = uint32_t{half} >> 15 << 31;
    const uint32_t exponent = half >> 10 & 31;
    const uint32_t fraction = half & 1023;
    uint32_t bits;
    if (exponent == 31) {
        bits = 255u << 23 | fraction << 13;  // infinity and NaN
    } else if (exponent == 0) {
        bits = bits_as<uint32_t>(static_cast<float>(fraction) / (1 << 24));  // subnormal
    } else {
        bits = (exponent + 127 - 15) << 23 | fraction << 13;
    }
    return bits_as<float>(bits | sign);
}

// The nearest one, the even one of two that are as near. The value is finite.
inline uint16_t float_to_bfloat16(float value) {
    const auto bits = bits_as<uint32_t>(value);
    return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// The same; infinity from 65520 on.
inline uint16_t float_to_float16(float value) {
    const auto bits = bits_as<uint32_t>(value);
    const uint32_t sign = bits >> 31 << 15;
    const float magnitude = bits_as<float>(bits & 0x7fffffff);
    if (magnitude >= 65520.0f) return static_cast<uint16_t>(sign | 31u << 10);
    // A sum with this number, whose last bit is the last that the result can have, rounds to that bit.
    const uint32_t exponent = std::max(bits_as<uint32_t>(magnitude) >> 23, 127u - 14);
    const float rounder = bits_as<float>((exponent + 13) << 23);
    const uint32_t fraction = bits_as<uint32_t>(magnitude + rounder) & ((1u << 23) - 1);
    return static_cast<uint16_t>(sign | (((exponent - (127 - 14)) << 10) + fraction));
}

// Element `index` of an array of `type`, which is a float type, int8 or int16, as float64: no value changes.
inline double load_number(const void* array, int32_t type, size_t index) {
    const char* element = static_cast<const char*>(array) + index * element_size(type);
    const auto load = [element](auto value) {
        std::memcpy(&value, element, sizeof value);
        return value;
    };
    switch (type) {
        case kDouble: return load(double{});
        case kFloat: return double{load(float{})};
        case kFloat16: return double{float16_to_float(load(uint16_t{}))};
        case kBfloat16: return double{bfloat16_to_float(load(uint16_t{}))};
        case kInt16: return static_cast<double>(load(int16_t{}));
        default: return static_cast<double>(load(int8_t{}));
    }
}

}  // namespace onnxdc
