#include "simd/outputs.h"

#include <immintrin.h>

namespace onnxdc {

void finish_outputs_avx2(const int32_t* sums, size_t count, int32_t zero, float scale, const ByteRows& rows, float* y) {
    // The state of the loop: i is the first of eight outputs.
    //   zeros          the part of their sums that belongs to the zero point
    //   number         what is left, as floats
    //   product        what a number is multiplied by; own_scale is the row's part of that
    constexpr size_t kLanes = 8;
    const auto load = [](const int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); };
    for (size_t i = 0; i < count; i += kLanes) {
        const __m256i zeros = _mm256_mullo_epi32(_mm256_set1_epi32(zero), load(rows.sum + i));
        const __m256 number = _mm256_cvtepi32_ps(_mm256_sub_epi32(load(sums + i), zeros));
        const __m256 own_scale = _mm256_mul_ps(_mm256_set1_ps(rows.alpha), _mm256_loadu_ps(rows.scale + i));
        const __m256 product = _mm256_mul_ps(_mm256_set1_ps(scale), own_scale);
        _mm256_storeu_ps(y + i, _mm256_fmadd_ps(number, product, _mm256_loadu_ps(rows.bias + i)));
    }
}

}  // namespace onnxdc
