#include <immintrin.h>

#include "simd/panel_loops.h"

namespace onnxdc {
namespace {

struct Avx2 {
    using Vector = __m256;
    using Values = const float*;
    static constexpr size_t kLanes = 8;
    static constexpr int kSquare = 8;
    static constexpr size_t kSums = 8;  // a multiply-add takes 4 cycles, in each of which two begin
    static constexpr size_t kMaxVectors = 8;

    static __m256i first(size_t n) {
        return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    }

    static Vector zero() { return _mm256_setzero_ps(); }
    static Vector load(const float* p) { return _mm256_load_ps(p); }
    static Vector load_unaligned(const float* p) { return _mm256_loadu_ps(p); }
    static Vector load_part(const float* p, size_t n) { return _mm256_maskload_ps(p, first(n)); }
    static Vector load_lanes(const float* p, uint32_t lanes) {
        const __m256i bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
        const __m256i set = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(lanes)), bits);
        return _mm256_maskload_ps(p, _mm256_cmpeq_epi32(set, bits));
    }
    static Vector merge(Vector a, Vector b) { return _mm256_or_ps(a, b); }
    static void store(float* p, Vector v) { _mm256_store_ps(p, v); }
    static void store_unaligned(float* p, Vector v) { _mm256_storeu_ps(p, v); }
    static void store_part(float* p, Vector v, size_t n) { _mm256_maskstore_ps(p, first(n), v); }
    static Vector broadcast(const float* p) { return _mm256_broadcast_ss(p); }
    static Values load_values(const float* p) { return p; }
    static Vector broadcast(Values values, size_t i) { return broadcast(values + i); }
    static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
    static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
};

// The times are in the unit of those in panel_avx512.cc.
constexpr PanelKernels kSingle = make_panel_kernels<Single<Avx2>>(Isa::kAvx2, 4, nullptr);

}  // namespace

constexpr PanelKernels kPanelKernelsAvx2 = make_panel_kernels<Avx2>(Isa::kAvx2, 9, &kSingle);

}  // namespace onnxdc
