#include "simd/quad_ymm.h"

namespace onnxdc {
namespace {

// In pairs to 16 bits, which hold them, and these to 32.
struct Avx2Products {
    static __m256i add(__m256i sums, __m256i bytes, __m256i weights) {
        const __m256i pairs = _mm256_maddubs_epi16(bytes, weights);
        return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
};

}  // namespace

constexpr QuadKernels kQuadKernelsAvx2 =
    make_quad_kernels<WideYmm<Avx2Products>, NarrowYmm<Avx2Products>, SquareX86<Avx2Products>>();

}  // namespace onnxdc
