#include "simd/quad_zmm.h"

namespace onnxdc {
namespace {

struct Avx512VnniProducts {
    static __m512i add(__m512i sums, __m512i bytes, __m512i weights) {
        return _mm512_dpbusd_epi32(sums, bytes, weights);
    }
};

}  // namespace

constexpr QuadKernels kQuadKernelsAvx512Vnni =
    make_quad_kernels<WideZmm<Avx512VnniProducts>, NarrowZmm<Avx512VnniProducts>, SquareX86<Avx512VnniProducts>>();

}  // namespace onnxdc
