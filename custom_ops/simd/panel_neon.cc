#include <arm_neon.h>

#include "simd/panel_loops.h"

namespace onnxdc {
namespace {

struct Neon {
    using Vector = float32x4_t;
    using Values = const float*;
    static constexpr size_t kLanes = 4;
    static constexpr int kSquare = 4;
    static constexpr size_t kSums = 8;  // a multiply-add takes 4 cycles, in each of which two begin
    static constexpr size_t kMaxVectors = 8;

    static Vector zero() { return vdupq_n_f32(0.0f); }
    static Vector load(const float* p) { return vld1q_f32(p); }
    static Vector load_unaligned(const float* p) { return vld1q_f32(p); }
    static Vector load_part(const float* p, size_t n) {
        Vector v = vld1q_dup_f32(p);
        if (n > 1) v = vld1q_lane_f32(p + 1, v, 1);
        if (n > 2) v = vld1q_lane_f32(p + 2, v, 2);
        return v;
    }
    static Vector load_lanes(const float* p, uint32_t lanes) {
        Vector v = zero();
        if (lanes & 1) v = vld1q_lane_f32(p, v, 0);
        if (lanes & 2) v = vld1q_lane_f32(p + 1, v, 1);
        if (lanes & 4) v = vld1q_lane_f32(p + 2, v, 2);
        if (lanes & 8) v = vld1q_lane_f32(p + 3, v, 3);
        return v;
    }
    static Vector merge(Vector a, Vector b) {
        return vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
    }
    static void store(float* p, Vector v) { vst1q_f32(p, v); }
    static void store_unaligned(float* p, Vector v) { vst1q_f32(p, v); }
    static void store_part(float* p, Vector v, size_t n) {
        vst1q_lane_f32(p, v, 0);
        if (n > 1) vst1q_lane_f32(p + 1, v, 1);
        if (n > 2) vst1q_lane_f32(p + 2, v, 2);
    }
    static Vector broadcast(const float* p) { return vld1q_dup_f32(p); }
    static Values load_values(const float* p) { return p; }
    static Vector broadcast(Values values, size_t i) { return broadcast(values + i); }
    static Vector add(Vector a, Vector b) { return vaddq_f32(a, b); }
    static Vector multiply_add(Vector a, Vector b, Vector c) { return vfmaq_f32(c, a, b); }
};

// The times are estimated: a vector of four floats takes as many instructions as a single float, which has more to do
// around it.
constexpr PanelKernels kSingle = make_panel_kernels<Single<Neon>>(Isa::kNeon, 4, nullptr);

}  // namespace

constexpr PanelKernels kPanelKernelsNeon = make_panel_kernels<Neon>(Isa::kNeon, 5, &kSingle);

}  // namespace onnxdc
