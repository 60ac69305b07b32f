// Sparse rows times one vector, or a few, on the layout of layouts/windows.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa/isa.h"
#include "layouts/windows.h"

namespace onnxdc {

struct WindowKernels {
    static constexpr size_t kMaxVectors = 4;

    // Adds to sums[v * sum_pitch + block * lanes + lane], for every vector v, the nonzeros that blocks begin .. end - 1
    // have in the tile. Input k of the tile is x[v * x_pitch + k], and a window after the tile may be read. All
    // inputs must be finite, since empty slots multiply one of them by zero.
    using Multiply = void (*)(const Windows::Tile& tile, size_t begin, size_t end, const float* x, size_t x_pitch,
                              float* sums, size_t sum_pitch);

    Isa isa;
    WindowForm form;
    // Up to so many rows of x, and of weights with up to so many nonzeros, these kernels are faster than those on
    // panels.
    int64_t few_rows;
    size_t max_nonzeros;
    // The kernel of so many vectors, from 1 on, for each kind of layout; all null for codes where the form has none.
    Multiply coded[kMaxVectors + 1];
    Multiply floats[kMaxVectors + 1];
    // The same for one vector with inputs of any kind: empty slots are masked out.
    Multiply masked_coded;
    Multiply masked_floats;
};

// Null where there are none.
const WindowKernels* window_kernels(Isa isa);

// What the files of each instruction set define.
extern const WindowKernels kWindowKernelsAvx512;
extern const WindowKernels kWindowKernelsAvx2;

}  // namespace onnxdc
