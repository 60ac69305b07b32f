// Rows of integers with their zeros times some rows of bytes, on the layout of layouts/dense_integers.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa/isa.h"
#include "layouts/dense_integers.h"
#include "simd/outputs.h"

namespace onnxdc {

struct DenseKernels {
    static constexpr size_t kMaxInputs = 6;

    // sums[input][row] becomes the sum of the block's row times the input, whose bytes of four j are
    // x[input * pitch + offsets[j]] and the next three. `sums` is aligned to 64 bytes.
    using Multiply = void (*)(const int8_t* block, const uint32_t* offsets, size_t fours, const uint8_t* x,
                              size_t pitch, int32_t* sums);

    // The kernel of so many inputs, from 1 on.
    Multiply multiply[kMaxInputs + 1];
    FinishOutputs finish;
};

// Null where there are none.
const DenseKernels* dense_kernels(Isa isa);

// What the file of the instruction set defines.
extern const DenseKernels kDenseKernelsAvx512Vnni;

}  // namespace onnxdc
