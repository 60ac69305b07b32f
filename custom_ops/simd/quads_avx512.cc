#include "simd/quad_zmm.h"

namespace onnxdc {
namespace {

// In pairs to 16 bits, which hold them, and these to 32.
struct Avx512Products {
    static __m512i add(__m512i sums, __m512i bytes, __m512i weights) {
        const __m512i pairs = _mm512_maddubs_epi16(bytes, weights);
        return _mm512_add_epi32(sums, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
    }
};

}  // namespace

constexpr QuadKernels kQuadKernelsAvx512 =
    make_quad_kernels<WideZmm<Avx512Products>, NarrowZmm<Avx512Products>, SquareX86<Avx512Products>>();

}  // namespace onnxdc
