#include <immintrin.h>

#include "simd/bytes.h"

namespace onnxdc {
namespace {

inline void store(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

inline __m256i first(size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

Extremes extremes(const float* x, size_t count) {
    // The state of the loop: of each lane the least and the largest float so far, and the largest magnitude as bits,
    // which grow with it, infinities and NaNs at the end.
    __m256 low = _mm256_setzero_ps(), high = low;
    __m256i magnitude = _mm256_setzero_si256();
    const auto take = [&](__m256 v) {
        low = _mm256_min_ps(low, v);
        high = _mm256_max_ps(high, v);
        const __m256i bits = _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0x7fffffff));
        magnitude = _mm256_max_epu32(magnitude, bits);
    };
    size_t i = 0;
    for (; i + 8 <= count; i += 8) take(_mm256_loadu_ps(x + i));
    if (i < count) take(_mm256_maskload_ps(x + i, first(count - i)));
    float lows[8], highs[8];
    uint32_t magnitudes[8];
    _mm256_storeu_ps(lows, low);
    _mm256_storeu_ps(highs, high);
    store(magnitudes, magnitude);
    Extremes result{0.0f, 0.0f, true};
    for (int lane = 0; lane < 8; ++lane) {
        result.low = lows[lane] < result.low ? lows[lane] : result.low;
        result.high = highs[lane] > result.high ? highs[lane] : result.high;
        result.finite &= magnitudes[lane] < 0x7f800000u;
    }
    return result;
}

void round_bytes(const float* x, size_t count, float inverse, int32_t zero, uint8_t* bytes) {
    // The state of the loops: i is the next element.
    //   factor, point  the inverse of the scale and the zero point, in all lanes
    //   low, high      integers of 16 elements each, as words: in each half of a register four of the first eight
    //                  elements, then four of the others; packing saturates, to bytes in the end
    //   v, words       the last elements, up to eight, the words twice
    const __m256 factor = _mm256_set1_ps(inverse);
    const __m256i point = _mm256_set1_epi32(zero);
    const auto rounded = [&](__m256 v) {
        return _mm256_add_epi32(_mm256_cvtps_epi32(_mm256_mul_ps(v, factor)), point);
    };
    const auto at = [&](size_t i) { return rounded(_mm256_loadu_ps(x + i)); };
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);  // undoes that of packs
    size_t i = 0;
    for (; i + 32 <= count; i += 32) {
        const __m256i low = _mm256_packs_epi32(at(i), at(i + 8)), high = _mm256_packs_epi32(at(i + 16), at(i + 24));
        store(bytes + i, _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order));
    }
    for (; i < count; i += 8) {
        const size_t left = count - i < 8 ? count - i : 8;
        const __m256i v = rounded(_mm256_maskload_ps(x + i, first(left)));
        const __m256i words = _mm256_packs_epi32(v, v);
        int32_t eight[8];
        store(eight, _mm256_permutevar8x32_epi32(_mm256_packus_epi16(words, words), order));
        // Of the eight numbers four are bytes of the first element, and four of the second.
        const int32_t both[2] = {eight[0], eight[1]};
        __builtin_memcpy(bytes + i, both, left);
    }
}

}  // namespace

constexpr ByteKernels kByteKernelsAvx2 = {extremes, round_bytes};

}  // namespace onnxdc
