// Sparse rows of integers times one vector of bytes, or two, on the layout of layouts/byte_windows.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa/isa.h"
#include "layouts/byte_windows.h"
#include "simd/outputs.h"

namespace onnxdc {

struct ByteWindowKernels {
    static constexpr size_t kMaxVectors = 2;

    // sums[v * sum_pitch + lane], for every vector v, becomes the sum of the block's row times input k of the vector,
    // x[v * x_pitch + k]. A window after the last input may be read.
    using Multiply = void (*)(const ByteWindows::Block& block, const uint8_t* x, size_t x_pitch, int32_t* sums,
                              size_t sum_pitch);

    // The kernel of so many vectors, from 1 on.
    Multiply multiply[kMaxVectors + 1];
    FinishOutputs finish;
};

// Null where there are none.
const ByteWindowKernels* byte_window_kernels(Isa isa);

// What the file of the instruction set defines.
extern const ByteWindowKernels kByteWindowKernelsAvx512Vbmi;

}  // namespace onnxdc
