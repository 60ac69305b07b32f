#include "simd/quad_neon.h"

namespace onnxdc {
namespace {

// In pairs to 16 bits, which hold them, and these to 32.
struct NeonProducts {
    static void add(int32x4_t (&sums)[4], int8x16_t c0, int8x16_t c1, int8x16_t c2, int8x16_t c3,
                    const int8_t* weights) {
        // c0 .. c3 are the bytes of 16 lanes in each of four columns, of which a pair at a time is `a` and `b`.
        //   first, second  the weights of the pair, in all lanes
        //   low, high      the products of both columns, added up: of lanes 0 .. 7, and 8 .. 15
        const auto add_pair = [&](int8x16_t a, int8x16_t b, const int8_t* two) {
            const int8x8_t first = vdup_n_s8(two[0]), second = vdup_n_s8(two[1]);
            const int16x8_t low = vmlal_s8(vmull_s8(vget_low_s8(a), first), vget_low_s8(b), second),
                            high = vmlal_s8(vmull_s8(vget_high_s8(a), first), vget_high_s8(b), second);
            sums[0] = vaddw_s16(sums[0], vget_low_s16(low));
            sums[1] = vaddw_high_s16(sums[1], low);
            sums[2] = vaddw_s16(sums[2], vget_low_s16(high));
            sums[3] = vaddw_high_s16(sums[3], high);
        };
        add_pair(c0, c1, weights);
        add_pair(c2, c3, weights + 2);
    }
};

using Panel = Neon16<NeonProducts>;

}  // namespace

constexpr QuadKernels kQuadKernelsNeon = make_quad_kernels<Panel, Panel, SquareNeon<NeonProducts>>();

}  // namespace onnxdc
