#include "simd/avx512.h"
#include "simd/dense.h"

namespace onnxdc {
namespace {

constexpr size_t kLanes = 16, kVectors = DenseIntegers::kBlockRows / kLanes;

template <size_t kInputs>
void multiply(const int8_t* block, const uint32_t* offsets, size_t fours, const uint8_t* x, size_t pitch,
              int32_t* sums) {
    // The state of the loop:
    //   block          what the rows have in the four columns at hand
    //   sum[i][v]      the sums of input i and 16 rows
    //   weights, bytes what these rows have there, and what an input has, again and again
    __m512i sum[kInputs][kVectors];
#pragma GCC unroll 6
    for (size_t i = 0; i < kInputs; ++i) {
#pragma GCC unroll 4
        for (size_t v = 0; v < kVectors; ++v) sum[i][v] = _mm512_setzero_si512();
    }
    for (size_t j = 0; j < fours; ++j, block += DenseIntegers::kBlockRows * DenseIntegers::kColumns) {
        __m512i weights[kVectors];
#pragma GCC unroll 4
        for (size_t v = 0; v < kVectors; ++v) weights[v] = _mm512_loadu_si512(block + v * sizeof(__m512i));
        const uint8_t* four = x + offsets[j];
#pragma GCC unroll 6
        for (size_t i = 0; i < kInputs; ++i) {
            int32_t bytes_of_input;
            __builtin_memcpy(&bytes_of_input, four + i * pitch, sizeof bytes_of_input);
            const __m512i bytes = _mm512_set1_epi32(bytes_of_input);
#pragma GCC unroll 4
            for (size_t v = 0; v < kVectors; ++v) sum[i][v] = add_products(sum[i][v], bytes, weights[v]);
        }
    }
#pragma GCC unroll 6
    for (size_t i = 0; i < kInputs; ++i) {
#pragma GCC unroll 4
        for (size_t v = 0; v < kVectors; ++v) _mm512_store_si512(sums + (i * kVectors + v) * kLanes, sum[i][v]);
    }
}

}  // namespace

constexpr DenseKernels kDenseKernelsAvx512Vnni = {
    {nullptr, multiply<1>, multiply<2>, multiply<3>, multiply<4>, multiply<5>, multiply<6>}, finish_outputs_avx512};

}  // namespace onnxdc
