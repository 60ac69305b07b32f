#include <arm_neon.h>

#include "simd/bytes.h"

namespace onnxdc {
namespace {

Extremes extremes(const float* x, size_t count) {
    // The state of the loop: of each lane the least and the largest float so far, and the largest magnitude as bits,
    // which grow with it, infinities and NaNs at the end.
    float32x4_t low = vdupq_n_f32(0.0f), high = low;
    uint32x4_t magnitude = vdupq_n_u32(0);
    const auto take = [&](float32x4_t v) {
        low = vminq_f32(low, v);
        high = vmaxq_f32(high, v);
        magnitude = vmaxq_u32(magnitude, vandq_u32(vreinterpretq_u32_f32(v), vdupq_n_u32(0x7fffffff)));
    };
    size_t i = 0;
    for (; i + 4 <= count; i += 4) take(vld1q_f32(x + i));
    for (; i < count; ++i) take(vld1q_dup_f32(x + i));
    return {vminvq_f32(low), vmaxvq_f32(high), vmaxvq_u32(magnitude) < 0x7f800000u};
}

void round_bytes(const float* x, size_t count, float inverse, int32_t zero, uint8_t* bytes) {
    // The state of the loops: i is the next element.
    //   point          the zero point, in all lanes
    //   words          integers of eight elements, at the end of one again and again; narrowing saturates, to bytes in
    //                  the end
    const int32x4_t point = vdupq_n_s32(zero);
    const auto rounded = [&](float32x4_t v) {
        return vqmovn_s32(vaddq_s32(vcvtnq_s32_f32(vmulq_n_f32(v, inverse)), point));
    };
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const int16x8_t words = vcombine_s16(rounded(vld1q_f32(x + i)), rounded(vld1q_f32(x + i + 4)));
        vst1_u8(bytes + i, vqmovun_s16(words));
    }
    for (; i < count; ++i) {
        const int16x4_t words = rounded(vld1q_dup_f32(x + i));
        bytes[i] = vget_lane_u8(vqmovun_s16(vcombine_s16(words, words)), 0);
    }
}

}  // namespace

constexpr ByteKernels kByteKernelsNeon = {extremes, round_bytes};

}  // namespace onnxdc
