#include "simd/outputs.h"

#include "simd/avx512.h"

namespace onnxdc {

void finish_outputs_avx512(const int32_t* sums, size_t count, int32_t zero, float scale, const ByteRows& rows,
                           float* y) {
    // The state of the loop: i is the first of 16 outputs.
    //   zeros          the part of their sums that belongs to the zero point
    //   number         what is left, as floats
    //   product        what a number is multiplied by; own_scale is the row's part of that
    constexpr size_t kLanes = 16;
    for (size_t i = 0; i < count; i += kLanes) {
        const __m512i zeros = _mm512_mullo_epi32(_mm512_set1_epi32(zero), _mm512_loadu_si512(rows.sum + i));
        const __m512 number = to_floats(_mm512_sub_epi32(_mm512_loadu_si512(sums + i), zeros));
        const __m512 own_scale = _mm512_mul_ps(_mm512_set1_ps(rows.alpha), _mm512_loadu_ps(rows.scale + i));
        const __m512 product = _mm512_mul_ps(_mm512_set1_ps(scale), own_scale);
        _mm512_storeu_ps(y + i, _mm512_fmadd_ps(number, product, _mm512_loadu_ps(rows.bias + i)));
    }
}

}  // namespace onnxdc
