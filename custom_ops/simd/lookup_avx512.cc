#include "simd/lookup.h"

#include "simd/avx512.h"

namespace onnxdc {
namespace {

constexpr size_t kLanes = 16;

// The whole table lies in registers, of which a permutation looks up in two; the upper bits of a code then choose among
// the results.
template <size_t kPairs>
inline __m512 values_of(const __m512 (&table)[2 * kPairs], __m512i codes) {
    __m512 values[kPairs];
#pragma GCC unroll 8
    for (size_t pair = 0; pair < kPairs; ++pair)
        values[pair] = _mm512_permutex2var_ps(table[2 * pair], codes, table[2 * pair + 1]);
    int bit = 2 * kLanes;
#pragma GCC unroll 3
    for (size_t left = kPairs / 2; left > 0; left /= 2, bit *= 2) {
        const __mmask16 upper = _mm512_test_epi32_mask(codes, _mm512_set1_epi32(bit));
#pragma GCC unroll 4
        for (size_t i = 0; i < left; ++i) values[i] = _mm512_mask_blend_ps(upper, values[2 * i], values[2 * i + 1]);
    }
    return values[0];
}

template <size_t kPairs>
void look_up(const float* table, const uint8_t* codes, size_t count, float* out) {
    if (count < kLanes) {  // too few for loading the table
        for (size_t i = 0; i < count; ++i) out[i] = table[codes[i]];
        return;
    }
    __m512 registers[2 * kPairs];
#pragma GCC unroll 16
    for (size_t i = 0; i < 2 * kPairs; ++i) registers[i] = _mm512_loadu_ps(table + i * kLanes);
    size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
        const __m128i some = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i));
        _mm512_storeu_ps(out + i, values_of<kPairs>(registers, widen(some)));
    }
    const __mmask16 rest = first_lanes(count - i);
    const __m128i some = _mm_maskz_loadu_epi8(rest, codes + i);
    _mm512_mask_storeu_ps(out + i, rest, values_of<kPairs>(registers, widen(some)));
}

}  // namespace

const LookUp kLookUpAvx512[] = {look_up<1>, look_up<2>, look_up<4>, look_up<8>};

}  // namespace onnxdc
