#include <immintrin.h>

#include "simd/gemv.h"

namespace onnxdc {
namespace {

using Layout = ByteWindows;
constexpr size_t kStep = Layout::kSlotsOfStep;
static_assert(kStep == 64 && Layout::kWindow == 2 * kStep && 2 * Layout::kCodes == kStep, "registers, full");

// How far ahead of their use steps are prefetched: the processor's own prefetching ends with each page.
constexpr size_t kPrefetch = 120 * kStep;

inline __m512i load(const void* p) { return _mm512_loadu_si512(p); }

// The weights of a step: the four lower bits of a code are the lowest of `rest`, above which are others, and the fifth
// is the top bit of `index`. The sixth that a permutation looks at may be anything, since `weights` has all twice.
inline __m512i weights_of(__m512i weights, __m512i index, __m512i rest) {
    constexpr int kSelect = 0xca;  // of the bits of a, b and c: a ? b : c
    const __m512i codes = _mm512_ternarylogic_epi32(_mm512_set1_epi8(0x10), _mm512_srli_epi16(index, 3), rest, kSelect);
    // Masked, with a mask that keeps all: GCC 12 warns of the other one.
    return _mm512_maskz_permutexvar_epi8(~__mmask64{0}, codes, weights);
}

template <size_t kVectors>
void multiply(const Layout::Block& block, const uint8_t* x, size_t x_pitch, int32_t* sums, size_t sum_pitch) {
    // The state of the loops:
    //   pair           the pair of steps at hand, and `base` where their windows start
    //   sum[v][s]      for vector v of x the sums of the steps s of all pairs
    //   index, weight  what a step has in its 64 slots: places in the window, of which permutations ignore the top bit,
    //                  and integers
    const uint8_t* pair = block.pairs;
    __m512i sum[kVectors][2];
#pragma GCC unroll 2
    for (size_t v = 0; v < kVectors; ++v) sum[v][0] = sum[v][1] = _mm512_setzero_si512();
    const auto add_step = [&](size_t s, uint16_t base, __m512i index, __m512i weight) __attribute__((always_inline)) {
#pragma GCC unroll 2
        for (size_t v = 0; v < kVectors; ++v) {
            const uint8_t* window = x + v * x_pitch + base;
            const __m512i inputs = _mm512_permutex2var_epi8(load(window), index, load(window + kStep));
            sum[v][s] = _mm512_dpbusd_epi32(sum[v][s], inputs, weight);
        }
    };
    const auto prefetch = [&](size_t lines) __attribute__((always_inline)) {
#pragma GCC unroll 4
        for (size_t i = 0; i < lines; ++i)
            _mm_prefetch(reinterpret_cast<const char*>(pair + kPrefetch + i * kStep), _MM_HINT_T0);
    };
    const uint16_t *base = block.base, *end = base + 2 * block.pair_count;
    if (block.weights) {
        const __m512i weights = load(block.weights);
        for (; base < end; base += 2, pair += 3 * kStep) {
            const __m512i first = load(pair), second = load(pair + kStep), rest = load(pair + 2 * kStep);
            prefetch(3);
            add_step(0, base[0], first, weights_of(weights, first, rest));
            add_step(1, base[1], second, weights_of(weights, second, _mm512_srli_epi16(rest, 4)));
        }
    } else {
        for (; base < end; base += 2, pair += 4 * kStep) {
            prefetch(4);
            add_step(0, base[0], load(pair), load(pair + 2 * kStep));
            add_step(1, base[1], load(pair + kStep), load(pair + 3 * kStep));
        }
    }
#pragma GCC unroll 2
    for (size_t v = 0; v < kVectors; ++v)
        _mm512_storeu_si512(sums + v * sum_pitch, _mm512_add_epi32(sum[v][0], sum[v][1]));
}

}  // namespace

constexpr ByteWindowKernels kByteWindowKernelsAvx512Vbmi = {{nullptr, multiply<1>, multiply<2>}, finish_outputs_avx512};

}  // namespace onnxdc
