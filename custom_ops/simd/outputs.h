// What sums of integers become where the outputs of a row lie side by side.
#pragma once

#include <cstddef>
#include <cstdint>

#include "isa/isa.h"
#include "simd/bytes.h"

namespace onnxdc {

// y[i] = (sums[i] - zero * rows.sum[i]) * (scale * (rows.alpha * rows.scale[i])) + rows.bias[i], the last product and
// sum rounded once; i < count, a multiple of 16. The bias is not null, but may be y.
using FinishOutputs = void (*)(const int32_t* sums, size_t count, int32_t zero, float scale, const ByteRows& rows,
                               float* y);

// Null where there is none.
FinishOutputs finish_outputs(Isa isa);

// What the files of each instruction set define.
void finish_outputs_avx512(const int32_t* sums, size_t count, int32_t zero, float scale, const ByteRows& rows,
                           float* y);
void finish_outputs_avx2(const int32_t* sums, size_t count, int32_t zero, float scale, const ByteRows& rows, float* y);

}  // namespace onnxdc
