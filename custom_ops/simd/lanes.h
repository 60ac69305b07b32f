// Sparse rows of integers times some rows of bytes, on the layout of layouts/lanes.h: one set for each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa/isa.h"
#include "layouts/lanes.h"
#include "simd/bytes.h"

namespace onnxdc {

// Some inputs, each a row of bytes: the first half of them, of an odd number the larger half, lie at first, first +
// pitch and so on, the others likewise at `second`. After the inputs of each span WindowLanes::kOverread bytes more may
// be read.
struct LaneInputs {
    const uint8_t* first;
    const uint8_t* second;
    size_t pitch;
};

struct LaneKernels {
    static constexpr size_t kMaxInputs = 16;

    // What one band has in one tile times some inputs, sums[block][input][lane] with sums aligned to 64 bytes: what was
    // there is added to, or else overwritten.
    using Multiply = void (*)(const LaneBand& band, const LaneInputs& x, bool add, int32_t* sums);

    // The kernel of so many inputs, from 1 on.
    Multiply multiply[kMaxInputs + 1];

    // Of the first `rows` rows of the band, in their natural order:
    // y[input * y_pitch + row] = (sum - zero[input] * sum[row]) * (scale[input] * (alpha * scale[row])) + bias[row],
    // the last product and sum rounded once.
    void (*finish)(const int32_t* sums, const uint8_t* places, size_t inputs, size_t rows, const ByteLanes& of_inputs,
                   const ByteRows& of_rows, float* y, size_t y_pitch);
};

// Null where there are none.
const LaneKernels* lane_kernels(Isa isa);

// What the files of each instruction set define.
extern const LaneKernels kLaneKernelsAvx512Vbmi;

}  // namespace onnxdc
