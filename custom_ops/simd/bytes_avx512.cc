#include "simd/bytes.h"

#include "simd/avx512.h"

namespace onnxdc {
namespace {

constexpr size_t kLanes = 16;

// The least and the largest float of each lane so far, and the largest magnitude as bits, which grow with it,
// infinities and NaNs at the end.
struct LaneExtremes {
    __m512 low = _mm512_setzero_ps(), high = _mm512_setzero_ps();
    __m512i magnitude = _mm512_setzero_si512();

    void take(__m512 v) {
        low = _mm512_maskz_min_ps(kAllLanes, low, v);
        high = _mm512_maskz_max_ps(kAllLanes, high, v);
        const __m512i bits = _mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(0x7fffffff));
        magnitude = _mm512_maskz_max_epu32(kAllLanes, magnitude, bits);
    }
};

// Of all lanes of both, by halves.
template <class Operation>
inline float reduce(__m512 a, __m512 b, const Operation& operation) {
    a = operation(a, b);
    a = operation(a, _mm512_maskz_shuffle_f32x4(kAllLanes, a, a, 0x4e));
    a = operation(a, _mm512_maskz_shuffle_f32x4(kAllLanes, a, a, 0xb1));
    a = operation(a, _mm512_maskz_permute_ps(kAllLanes, a, 0x4e));
    a = operation(a, _mm512_maskz_permute_ps(kAllLanes, a, 0xb1));
    return _mm512_cvtss_f32(a);
}

Extremes extremes(const float* x, size_t count) {
    // The state of the loop: the extremes of every second vector, since an instruction takes several cycles.
    LaneExtremes even, odd;
    size_t i = 0;
    for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
        even.take(_mm512_loadu_ps(x + i));
        odd.take(_mm512_loadu_ps(x + i + kLanes));
    }
    if (i + kLanes <= count) {
        even.take(_mm512_loadu_ps(x + i));
        i += kLanes;
    }
    if (i < count) odd.take(_mm512_maskz_loadu_ps(first_lanes(count - i), x + i));
    const __m512i magnitude = _mm512_maskz_max_epu32(kAllLanes, even.magnitude, odd.magnitude);
    return {reduce(even.low, odd.low, [](__m512 a, __m512 b) { return _mm512_maskz_min_ps(kAllLanes, a, b); }),
            reduce(even.high, odd.high, [](__m512 a, __m512 b) { return _mm512_maskz_max_ps(kAllLanes, a, b); }),
            _mm512_cmplt_epu32_mask(magnitude, _mm512_set1_epi32(0x7f800000)) == kAllLanes};
}

void round(const float* x, size_t count, float inverse, int32_t zero, uint8_t* bytes) {
    // The state of the loop: i is the next element.
    //   factor, point  the inverse of the scale and the zero point, in all lanes
    //   integers, sum  of 16 elements, without the zero point and with it; what is above 255 becomes that when it is
    //                  narrowed to bytes
    const auto rounded = [factor = _mm512_set1_ps(inverse), point = _mm512_set1_epi32(zero)](__m512 v) {
        const __m512i integers = to_integers(_mm512_mul_ps(v, factor));
        const __m512i sum =
            _mm512_maskz_max_epi32(kAllLanes, _mm512_add_epi32(integers, point), _mm512_setzero_si512());
        return _mm512_maskz_cvtusepi32_epi8(kAllLanes, sum);
    };
    const auto store = [bytes](size_t i, __m128i v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes + i), v); };
    size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) store(i, rounded(_mm512_loadu_ps(x + i)));
    if (i < count) {
        const __mmask16 rest = first_lanes(count - i);
        _mm_mask_storeu_epi8(bytes + i, rest, rounded(_mm512_maskz_loadu_ps(rest, x + i)));
    }
}

}  // namespace

constexpr ByteKernels kByteKernelsAvx512 = {extremes, round};

}  // namespace onnxdc
