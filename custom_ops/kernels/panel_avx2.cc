#include <immintrin.h>

#include "kernels/panel_loops.h"

namespace onnxdc {
namespace {

struct Avx2 {
    using Vector = __m256;
    static constexpr size_t kLanes = 8;

    static __m256i first(size_t n) {
        return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    }

    static Vector zero() { return _mm256_setzero_ps(); }
    static Vector load(const float* p) { return _mm256_load_ps(p); }
    static Vector load_unaligned(const float* p) { return _mm256_loadu_ps(p); }
    static Vector load_part(const float* p, size_t n) { return _mm256_maskload_ps(p, first(n)); }
    static void store(float* p, Vector v) { _mm256_store_ps(p, v); }
    static void store_unaligned(float* p, Vector v) { _mm256_storeu_ps(p, v); }
    static void store_part(float* p, Vector v, size_t n) { _mm256_maskstore_ps(p, first(n), v); }
    static Vector broadcast(const float* p) { return _mm256_broadcast_ss(p); }
    static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
    static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
};

}  // namespace

const PanelKernels* panel_kernels_avx2() { return panel_kernels_of<Avx2, Isa::kAvx2>(); }

}  // namespace onnxdc
