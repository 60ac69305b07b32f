#include <immintrin.h>

#include "kernels/panel_loops.h"

namespace onnxdc {
namespace {

struct Avx512 {
    using Vector = __m512;
    static constexpr size_t kLanes = 16;

    static __mmask16 first(size_t n) { return static_cast<__mmask16>((1u << n) - 1); }

    static Vector zero() { return _mm512_setzero_ps(); }
    static Vector load(const float* p) { return _mm512_load_ps(p); }
    static Vector load_unaligned(const float* p) { return _mm512_loadu_ps(p); }
    static Vector load_part(const float* p, size_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
    static void store(float* p, Vector v) { _mm512_store_ps(p, v); }
    static void store_unaligned(float* p, Vector v) { _mm512_storeu_ps(p, v); }
    static void store_part(float* p, Vector v, size_t n) { _mm512_mask_storeu_ps(p, first(n), v); }
    static Vector broadcast(const float* p) { return _mm512_set1_ps(*p); }
    static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
    static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
};

}  // namespace

const PanelKernels* panel_kernels_avx512() { return panel_kernels_of<Avx512, Isa::kAvx512>(); }

}  // namespace onnxdc
