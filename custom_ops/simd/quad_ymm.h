// What the files of x86-64 have in common for simd/quad_loops.h. Included by these files only, in whose unnamed
// namespaces the Products live: Products::add(sums, bytes, weights) adds to each of the sums four bytes times four
// weights. All below is made for each of them, so that no file has another one's functions.
#pragma once

#include <immintrin.h>

#include "simd/quad_loops.h"

namespace onnxdc {

// Vectors of 32 bytes.
template <class Products>
struct Ymm {
    using Vector = __m256i;
    static constexpr size_t kVectorLanes = 8;

    static Vector zero() { return _mm256_setzero_si256(); }
    static Vector load(const void* p) { return _mm256_loadu_si256(static_cast<const Vector*>(p)); }
    static void store(void* p, Vector v) { _mm256_storeu_si256(static_cast<Vector*>(p), v); }
    static Vector add(Vector a, Vector b) { return _mm256_add_epi32(a, b); }
    static Vector weights_of(const Quad& quad) {
        int32_t four;
        __builtin_memcpy(&four, quad.weight, sizeof four);
        return _mm256_set1_epi32(four);
    }
    static void finish(Vector sums, const int32_t* zero, int32_t row_sum, const float* lane_scale, float scale,
                       float bias, float* y) {
        const Vector zeros = _mm256_mullo_epi32(load(zero), _mm256_set1_epi32(row_sum));
        const __m256 number = _mm256_cvtepi32_ps(_mm256_sub_epi32(sums, zeros));
        const __m256 product = _mm256_mul_ps(_mm256_loadu_ps(lane_scale), _mm256_set1_ps(scale));
        _mm256_storeu_ps(y, _mm256_fmadd_ps(number, product, _mm256_set1_ps(bias)));
    }
};

// Bytes of columns are interleaved within halves of registers: sums[i] are of lanes 4 i .. 4 i + 3 and
// 16 + 4 i .. 16 + 4 i + 3.
template <class Products>
struct WideYmm : Ymm<Products> {
    using V = Ymm<Products>;
    using Vector = typename V::Vector;
    static constexpr size_t kLanes = 32, kVectors = 4, kChains = 1;

    static void add_quad(Vector (&sums)[kVectors], const uint8_t* panel, const Quad& quad) {
        // c0 .. c3 are the bytes of 32 lanes in each of the quad's columns, `weights` its four weights for every lane.
        const Vector c0 = V::load(panel + quad.column[0] * kLanes), c1 = V::load(panel + quad.column[1] * kLanes),
                     c2 = V::load(panel + quad.column[2] * kLanes), c3 = V::load(panel + quad.column[3] * kLanes);
        const Vector weights = V::weights_of(quad);
        // Of two columns the bytes side by side: lanes 0 .. 7 and 16 .. 23, lanes 8 .. 15 and 24 .. 31.
        const Vector low01 = _mm256_unpacklo_epi8(c0, c1), high01 = _mm256_unpackhi_epi8(c0, c1),
                     low23 = _mm256_unpacklo_epi8(c2, c3), high23 = _mm256_unpackhi_epi8(c2, c3);
        sums[0] = Products::add(sums[0], _mm256_unpacklo_epi16(low01, low23), weights);
        sums[1] = Products::add(sums[1], _mm256_unpackhi_epi16(low01, low23), weights);
        sums[2] = Products::add(sums[2], _mm256_unpacklo_epi16(high01, high23), weights);
        sums[3] = Products::add(sums[3], _mm256_unpackhi_epi16(high01, high23), weights);
    }
    static void put_in_order(Vector (&sums)[kVectors]) {
        const Vector s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
        sums[0] = _mm256_permute2x128_si256(s0, s1, 0x20);
        sums[1] = _mm256_permute2x128_si256(s2, s3, 0x20);
        sums[2] = _mm256_permute2x128_si256(s0, s1, 0x31);
        sums[3] = _mm256_permute2x128_si256(s2, s3, 0x31);
    }
};

template <class Products>
struct NarrowYmm : Ymm<Products> {
    using V = Ymm<Products>;
    using Vector = typename V::Vector;
    static constexpr size_t kLanes = 8, kVectors = 1, kChains = 2;

    static void add_quad(Vector (&sums)[kVectors], const uint8_t* panel, const Quad& quad) {
        // The bytes of eight lanes side by side: `first` has those of the first two columns, `last` those of the
        // last two, `bytes` all four.
        const auto column = [&](int i) {
            return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(panel + quad.column[i] * kLanes));
        };
        const __m128i first = _mm_unpacklo_epi8(column(0), column(1)), last = _mm_unpacklo_epi8(column(2), column(3));
        const Vector bytes = _mm256_set_m128i(_mm_unpackhi_epi16(first, last), _mm_unpacklo_epi16(first, last));
        sums[0] = Products::add(sums[0], bytes, V::weights_of(quad));
    }
    static void put_in_order(Vector (&)[kVectors]) {}
};

template <class Products>
struct SquareX86 {
    static void transpose(const uint8_t* from, size_t from_pitch, uint8_t* to, size_t to_pitch) {
        __m128i a[8], b[8];
        for (size_t i = 0; i < 8; ++i) a[i] = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + i * from_pitch));
        // Rows 0 1, 2 3, 4 5, 6 7 side by side, then 0 .. 3 and 4 .. 7, then all: two columns in each register.
        for (size_t i = 0; i < 4; ++i) b[i] = _mm_unpacklo_epi8(a[2 * i], a[2 * i + 1]);
        for (size_t i = 0; i < 2; ++i) {
            a[2 * i] = _mm_unpacklo_epi16(b[2 * i], b[2 * i + 1]);
            a[2 * i + 1] = _mm_unpackhi_epi16(b[2 * i], b[2 * i + 1]);
        }
        for (size_t i = 0; i < 2; ++i) {
            b[2 * i] = _mm_unpacklo_epi32(a[i], a[2 + i]);
            b[2 * i + 1] = _mm_unpackhi_epi32(a[i], a[2 + i]);
        }
        for (size_t i = 0; i < 4; ++i) {
            _mm_storel_epi64(reinterpret_cast<__m128i*>(to + 2 * i * to_pitch), b[i]);
            _mm_storeh_pd(reinterpret_cast<double*>(to + (2 * i + 1) * to_pitch), _mm_castsi128_pd(b[i]));
        }
    }
};

}  // namespace onnxdc
