// As simd/quad_ymm.h, for vectors of 64 bytes.
#pragma once

#include "simd/avx512.h"
#include "simd/quad_ymm.h"

namespace onnxdc {

template <class Products>
struct Zmm {
    using Vector = __m512i;
    static constexpr size_t kVectorLanes = 16;

    static Vector zero() { return _mm512_setzero_si512(); }
    static Vector load(const void* p) { return _mm512_loadu_si512(p); }
    static void store(void* p, Vector v) { _mm512_storeu_si512(p, v); }
    static Vector add(Vector a, Vector b) { return _mm512_add_epi32(a, b); }
    static Vector weights_of(const Quad& quad) {
        int32_t four;
        __builtin_memcpy(&four, quad.weight, sizeof four);
        return _mm512_set1_epi32(four);
    }
    static void finish(Vector sums, const int32_t* zero, int32_t row_sum, const float* lane_scale, float scale,
                       float bias, float* y) {
        const Vector zeros = _mm512_mullo_epi32(load(zero), _mm512_set1_epi32(row_sum));
        const __m512 number = to_floats(_mm512_sub_epi32(sums, zeros));
        const __m512 product = _mm512_mul_ps(_mm512_loadu_ps(lane_scale), _mm512_set1_ps(scale));
        _mm512_storeu_ps(y, _mm512_fmadd_ps(number, product, _mm512_set1_ps(bias)));
    }
};

// Bytes of columns are interleaved within quarters of registers: quarter q of sums[i] is of lanes 16 q + 4 i ..
// 16 q + 4 i + 3.
template <class Products>
struct WideZmm : Zmm<Products> {
    using V = Zmm<Products>;
    using Vector = typename V::Vector;
    static constexpr size_t kLanes = 64, kVectors = 4, kChains = 1;

    static void add_quad(Vector (&sums)[kVectors], const uint8_t* panel, const Quad& quad) {
        // c0 .. c3 are the bytes of 64 lanes in each of the quad's columns, `weights` its four weights for every lane.
        const Vector c0 = V::load(panel + quad.column[0] * kLanes), c1 = V::load(panel + quad.column[1] * kLanes),
                     c2 = V::load(panel + quad.column[2] * kLanes), c3 = V::load(panel + quad.column[3] * kLanes);
        const Vector weights = V::weights_of(quad);
        // Of two columns the bytes side by side: of each 16 lanes the first eight, and the others.
        const Vector low01 = _mm512_unpacklo_epi8(c0, c1), high01 = _mm512_unpackhi_epi8(c0, c1),
                     low23 = _mm512_unpacklo_epi8(c2, c3), high23 = _mm512_unpackhi_epi8(c2, c3);
        sums[0] = Products::add(sums[0], _mm512_unpacklo_epi16(low01, low23), weights);
        sums[1] = Products::add(sums[1], _mm512_unpackhi_epi16(low01, low23), weights);
        sums[2] = Products::add(sums[2], _mm512_unpacklo_epi16(high01, high23), weights);
        sums[3] = Products::add(sums[3], _mm512_unpackhi_epi16(high01, high23), weights);
    }
    // Transposes the quarters.
    static void put_in_order(Vector (&sums)[kVectors]) {
        constexpr int kFirstTwo = 0x44, kLastTwo = 0xee, kEven = 0x88, kOdd = 0xdd;
        const Vector a = _mm512_maskz_shuffle_i32x4(kAllLanes, sums[0], sums[1], kFirstTwo),
                     b = _mm512_maskz_shuffle_i32x4(kAllLanes, sums[2], sums[3], kFirstTwo),
                     c = _mm512_maskz_shuffle_i32x4(kAllLanes, sums[0], sums[1], kLastTwo),
                     d = _mm512_maskz_shuffle_i32x4(kAllLanes, sums[2], sums[3], kLastTwo);
        sums[0] = _mm512_maskz_shuffle_i32x4(kAllLanes, a, b, kEven);
        sums[1] = _mm512_maskz_shuffle_i32x4(kAllLanes, a, b, kOdd);
        sums[2] = _mm512_maskz_shuffle_i32x4(kAllLanes, c, d, kEven);
        sums[3] = _mm512_maskz_shuffle_i32x4(kAllLanes, c, d, kOdd);
    }
};

template <class Products>
struct NarrowZmm : Zmm<Products> {
    using V = Zmm<Products>;
    using Vector = typename V::Vector;
    static constexpr size_t kLanes = 16, kVectors = 1, kChains = 2;

    static void add_quad(Vector (&sums)[kVectors], const uint8_t* panel, const Quad& quad) {
        const auto column = [&](int i) {
            return _mm_loadu_si128(reinterpret_cast<const __m128i*>(panel + quad.column[i] * kLanes));
        };
        // `columns` has the bytes of 16 lanes, a quarter for each column. `lanes` brings those of four lanes into a
        // quarter, column by column; `fours` brings those of a lane side by side, in `bytes`.
        const Vector columns = _mm512_inserti32x4(
            _mm512_inserti32x4(_mm512_inserti32x4(_mm512_castsi128_si512(column(0)), column(1), 1), column(2), 2),
            column(3), 3);
        const Vector lanes = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        const Vector fours = _mm512_set4_epi32(0x0f0b0703, 0x0e0a0602, 0x0d090501, 0x0c080400);
        const Vector bytes = _mm512_shuffle_epi8(_mm512_maskz_permutexvar_epi32(kAllLanes, lanes, columns), fours);
        sums[0] = Products::add(sums[0], bytes, V::weights_of(quad));
    }
    static void put_in_order(Vector (&)[kVectors]) {}
};

}  // namespace onnxdc
