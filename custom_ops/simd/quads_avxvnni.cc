#include "simd/quad_ymm.h"

namespace onnxdc {
namespace {

struct AvxVnniProducts {
    static __m256i add(__m256i sums, __m256i bytes, __m256i weights) {
        return _mm256_dpbusd_avx_epi32(sums, bytes, weights);
    }
};

}  // namespace

constexpr QuadKernels kQuadKernelsAvxVnni =
    make_quad_kernels<WideYmm<AvxVnniProducts>, NarrowYmm<AvxVnniProducts>, SquareX86<AvxVnniProducts>>();

}  // namespace onnxdc
