// What bytes are made of, and what sums of them become: one set for each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa/isa.h"

namespace onnxdc {

// What some inputs stand for: bytes less `zero`, times `scale`.
struct ByteLanes {
    const int32_t* zero;
    const float* scale;
};

// What the sums of rows become: sum of the row's integers, scale, bias. `bias` may be null for zeros.
struct ByteRows {
    const int32_t* sum;
    const float* scale;
    const float* bias;
    float alpha;  // times the scales
};

// The extremes of some floats with 0 among them, and whether all are finite; if not, the extremes mean nothing.
struct Extremes {
    float low, high;
    bool finite;
};

struct ByteKernels {
    Extremes (*extremes)(const float* x, size_t count);
    // bytes[i] = round(x[i] * inverse) + zero, from 0 to 255.
    void (*round)(const float* x, size_t count, float inverse, int32_t zero, uint8_t* bytes);
};

// Null where there are none.
const ByteKernels* byte_kernels(Isa isa);

// What the files of each instruction set define.
extern const ByteKernels kByteKernelsAvx512;
extern const ByteKernels kByteKernelsAvx2;
extern const ByteKernels kByteKernelsNeon;

}  // namespace onnxdc
