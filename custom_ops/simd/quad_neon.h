// What the files of AArch64 have in common for simd/quad_loops.h. Included by these files only, in whose unnamed
// namespaces the Products live: Products::add(sums, panel, pitch, quad) adds the products of 16 lanes.
//
// Bytes are taken as signed ones: less 128, by turning the highest bit. Sums are those of bytes less 128, and zero
// points are less 128, too, in the end.
#pragma once

#include <arm_neon.h>

#include "simd/quad_loops.h"

namespace onnxdc {

constexpr int32_t kSignedZero = 128;

template <class Products>
struct Neon16 {
    using Vector = int32x4_t;
    static constexpr size_t kLanes = 16, kVectorLanes = 4, kVectors = 4, kChains = 1;

    static Vector zero() { return vdupq_n_s32(0); }
    static Vector load(const int32_t* p) { return vld1q_s32(p); }
    static void store(int32_t* p, Vector v) { vst1q_s32(p, v); }
    static Vector add(Vector a, Vector b) { return vaddq_s32(a, b); }
    static int8x16_t column(const uint8_t* panel, uint16_t column) {
        const uint8x16_t bytes = vld1q_u8(panel + column * kLanes);
        return vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(kSignedZero)));
    }
    static void add_quad(Vector (&sums)[kVectors], const uint8_t* panel, const Quad& quad) {
        Products::add(sums, column(panel, quad.column[0]), column(panel, quad.column[1]), column(panel, quad.column[2]),
                      column(panel, quad.column[3]), quad.weight);
    }
    static void put_in_order(Vector (&)[kVectors]) {}
    static void finish(Vector sums, const int32_t* zero, int32_t row_sum, const float* lane_scale, float scale,
                       float bias, float* y) {
        const Vector zeros = vsubq_s32(vld1q_s32(zero), vdupq_n_s32(kSignedZero));
        const float32x4_t number = vcvtq_f32_s32(vmlsq_s32(sums, zeros, vdupq_n_s32(row_sum)));
        const float32x4_t product = vmulq_n_f32(vld1q_f32(lane_scale), scale);
        vst1q_f32(y, vfmaq_f32(vdupq_n_f32(bias), number, product));
    }
};

template <class Products>
struct SquareNeon {
    static void transpose(const uint8_t* from, size_t from_pitch, uint8_t* to, size_t to_pitch) {
        const auto row = [&](size_t i) { return vld1_u8(from + i * from_pitch); };
        const auto both = [](uint8x8_t a, uint8x8_t b) {
            const uint8x8x2_t zipped = vzip_u8(a, b);
            return vreinterpretq_u16_u8(vcombine_u8(zipped.val[0], zipped.val[1]));
        };
        // Rows 0 1, 2 3, 4 5, 6 7 side by side, then 0 .. 3 and 4 .. 7, then all: two columns in each register.
        const uint16x8x2_t first = vzipq_u16(both(row(0), row(1)), both(row(2), row(3)));
        const uint16x8x2_t last = vzipq_u16(both(row(4), row(5)), both(row(6), row(7)));
        for (size_t half = 0; half < 2; ++half) {
            const uint32x4x2_t all =
                vzipq_u32(vreinterpretq_u32_u16(first.val[half]), vreinterpretq_u32_u16(last.val[half]));
            for (size_t i = 0; i < 2; ++i, to += 2 * to_pitch) {
                const uint8x16_t columns = vreinterpretq_u8_u32(all.val[i]);
                vst1_u8(to, vget_low_u8(columns));
                vst1_u8(to + to_pitch, vget_high_u8(columns));
            }
        }
    }
};

}  // namespace onnxdc
