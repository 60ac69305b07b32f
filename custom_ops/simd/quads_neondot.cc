#include "simd/quad_neon.h"

namespace onnxdc {
namespace {

struct DotProducts {
    static void add(int32x4_t (&sums)[4], int8x16_t c0, int8x16_t c1, int8x16_t c2, int8x16_t c3,
                    const int8_t* weights) {
        // c0 .. c3 are the bytes of 16 lanes in each of four columns.
        //   factors        the four weights, for every lane
        //   first, last    columns c0 and c1, and c2 and c3, of eight lanes in each half
        //   bytes          all four columns, of four lanes in each part: those of sums[2 * half + i]
        int32_t four;
        __builtin_memcpy(&four, weights, sizeof four);
        const int8x16_t factors = vreinterpretq_s8_s32(vdupq_n_s32(four));
        // Of two columns the bytes side by side, then of all four.
        const int8x16x2_t first = vzipq_s8(c0, c1), last = vzipq_s8(c2, c3);
        for (int half = 0; half < 2; ++half) {
            const int16x8x2_t bytes =
                vzipq_s16(vreinterpretq_s16_s8(first.val[half]), vreinterpretq_s16_s8(last.val[half]));
            for (int i = 0; i < 2; ++i) {
                int32x4_t& sum = sums[2 * half + i];
                sum = vdotq_s32(sum, vreinterpretq_s8_s16(bytes.val[i]), factors);
            }
        }
    }
};

using Panel = Neon16<DotProducts>;

}  // namespace

constexpr QuadKernels kQuadKernelsNeonDot = make_quad_kernels<Panel, Panel, SquareNeon<DotProducts>>();

}  // namespace onnxdc
